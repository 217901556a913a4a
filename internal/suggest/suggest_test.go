// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest(t *testing.T) {
	names := []string{"MODTAP_JAEGER", "MODTAP_LOG", "MODTAP_LISTEN", "client_identity", "endpoint", "tls", "off"}
	for word, want := range map[string]string{
		"MODTAP_JEAGER":    "MODTAP_JAEGER",
		"modtap_jaeger":    "MODTAP_JAEGER",
		"MODTAP_LISTEN_":   "MODTAP_LISTEN",
		"client_idenity":   "client_identity",
		"client-identity":  "client_identity",
		"endpont":          "endpoint",
		"edpont":           "endpoint",
		"tsl":              "tls",
		"tlss":             "tls",
		"foo":              "",
		"on":               "",
		"":                 "",
		"MODTAP_ENDPOINTS": "",
	} {
		assert.Equal(t, want, Nearest(word, names), word)
	}
	assert.Equal(t, "did you mean tls?", DidYouMean("tsl", names, "x"))
	assert.Equal(t, "did you mean tls? there are off, tls", Among("tsl", []string{"tls", "off"}))
	assert.Equal(t, "there are off, tls", Among("foo", []string{"tls", "off"}))
	assert.Equal(t, "x", DidYouMean("foo", names, "x"))
}

// FuzzDistance compares with the definition, by recursion.
func FuzzDistance(f *testing.F) {
	f.Add("tls", "tsl")
	f.Add("", "ab")
	f.Add("ca", "abc")
	f.Add("endpont", "endpoint")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 6 || len(b) > 6 {
			return
		}
		if want := defined(a, b); want <= farthest {
			assert.Equal(t, want, distance(a, b), "%q %q", a, b)
		} else {
			assert.Greater(t, distance(a, b), farthest, "%q %q", a, b)
		}
	})
}

func defined(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	x, y := a[:len(a)-1], b[:len(b)-1]
	wrong := 1
	if a[len(x)] == b[len(y)] {
		wrong = 0
	}
	least := min(defined(x, b)+1, defined(a, y)+1, defined(x, y)+wrong)
	if len(x) > 0 && len(y) > 0 && a[len(x)] == b[len(y)-1] && a[len(x)-1] == b[len(y)] {
		least = min(least, defined(x[:len(x)-1], y[:len(y)-1])+1)
	}
	return least
}
