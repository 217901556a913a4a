// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// TestVerdictsWhileAZipStreams: while a large zip is still on its way through an
// nginx cache, other files of the same version miss and hit on their own.
func TestVerdictsWhileAZipStreams(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/large", 8<<20)
	o.delay = 4 * time.Second
	egress := port.Address(t)
	url, _ := startNginx(t, "http://"+egress)
	m := start(t, append(o.goproxy(), "MODTAP_UPSTREAM="+url, "MODTAP_EGRESS_LISTEN="+egress))
	const stem = "/example.com/large/@v/v1.0.0"
	large := getting(m.proxy + stem + ".zip")
	require.Eventually(t, func() bool { return o.count(stem+".zip") == 1 }, time.Minute, 10*time.Millisecond)
	for range 2 {
		getOK(t, m.proxy+stem+".mod")
		getOK(t, m.proxy+stem+".info")
	}
	select {
	case <-large:
		require.Fail(t, "the zip is through already")
	default:
	}
	assert.Equal(t, http.StatusOK, (<-large).status)
	results := map[string][]string{}
	for _, d := range m.quiet() {
		if d.Goproxy.Side == "ingress" {
			results[d.Goproxy.Operation] = append(results[d.Goproxy.Operation], d.Goproxy.Cache.Result)
		}
	}
	assert.Equal(t, map[string][]string{"zip": {"miss"}, "mod": {"miss", "hit"}, "info": {"miss", "hit"}}, results)
}
