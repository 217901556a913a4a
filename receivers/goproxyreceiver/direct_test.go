// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestDirectFollowsTheMostExposedListener: the name that the egress is asked for came
// in by the ingress.
func TestDirectFollowsTheMostExposedListener(t *testing.T) {
	t.Setenv("GONOPROXY", "none")
	t.Setenv("GOSUMDB", "off")
	for _, tt := range []struct {
		name, ingress, egress, patterns string
		refused                         bool
	}{
		{"both on loopback", "127.0.0.1:0", "127.0.0.1:0", "", false},
		{"case 9: ingress exposed", "0.0.0.0:0", "127.0.0.1:0", "", true},
		{"egress exposed", "127.0.0.1:0", "0.0.0.0:0", "", true},
		{"exposed, allowed", "0.0.0.0:0", "127.0.0.1:0", "nowhere.invalid", false},
		{"exposed, another allowed", "0.0.0.0:0", "127.0.0.1:0", "elsewhere.invalid", true},
	} {
		for _, asked := range []string{"ingress", "egress"} {
			t.Run(tt.name+", "+asked+" asked", func(t *testing.T) {
				cfg := testConfig(t, Embedded)
				cfg.GOPROXY, cfg.DirectPatterns = "direct", tt.patterns
				cfg.Ingress.Endpoint, cfg.Egress.Endpoint = tt.ingress, tt.egress
				r := startReceiver(t, cfg)
				url := map[string]string{"ingress": r.url, "egress": r.egress}[asked]
				a := ask(t, url, get("/nowhere.invalid/m/@v/v1.0.0.info"))
				if tt.refused {
					assert.Equal(t, 404, a.code)
					assert.Contains(t, a.body, "direct_patterns")
				} else {
					assert.Equal(t, 502, a.code, "there is no such host: %s", a.body)
				}
			})
		}
	}
}
