// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// TestOutcomeOfEachStatus: every status code that a whole answer can have comes to one
// outcome, and only 5xx and above are failures.
func TestOutcomeOfEachStatus(t *testing.T) {
	special := map[int]Outcome{304: OK, 404: NotFound, 410: NotFound, 412: Refused, 416: Refused, 504: Timeout}
	for code := 200; code < 1000; code++ {
		want, ok := special[code]
		switch {
		case ok:
		case code < 300:
			want = OK
		case code < 400:
			want = Redirect // case 43
		case code < 500:
			want = Denied // case 40
		default:
			want = UpstreamError
		}
		for _, of := range []exchange.CacheResult{"", exchange.Miss} {
			v := Judge(&exchange.End{Status: code, Cache: exchange.CacheEvidence{Embedded: of}})
			assert.Equal(t, want, v.Outcome, "%d", code)
			assert.Equal(t, code >= 500, v.Outcome.Failure(), "%d", code)
			assert.Equal(t, code >= 500, v.ErrorType != "", "%d: no error in the SLI and on the span", code)
		}
	}
}

// TestTroubleInANotFound: what a proxy says of its own upstream in a 404 or 410 is told
// beside the status and burns nothing; what says that there is no such thing isn't.
func TestTroubleInANotFound(t *testing.T) {
	for text, want := range map[string]string{
		"not found: fetch timed out": "timeout", // proxy.golang.org, goproxy
		"not found: bad upstream":    "bad_upstream",
		"fetch timed out":            "timeout",
		"bad upstream":               "bad_upstream",
		// The embedded proxy's, of its upstream's.
		"reading https://proxy.example/example.com/a/@v/list: 404 Not Found: not found: fetch timed out":                                                                                                          "timeout",
		"not found: example.com/a@v1.0.0: git ls-remote -q origin in /tmp/x: exit status 128:\n\tfatal: unable to access 'https://example.com/a/': Failed to connect to example.com port 443: Connection refused": "connection_refused",
		"not found: module example.com/a: Get \"https://proxy.example/example.com/a/@v/list\": dial tcp 192.0.2.1:443: i/o timeout":                                                                               "timeout",
		"not found: module example.com/a: reading https://proxy.example/example.com/a/@v/list: 503 Service Unavailable":                                                                                           "503",

		"":          "",
		"not found": "",
		"not found: example.com/a@v9.0.0: invalid version: unknown revision v9.0.0":                                                                                                             "",
		"not found: unrecognized import path \"example.invalid/a\": https fetch: Get \"https://example.invalid/a?go-get=1\": dial tcp: lookup example.invalid: no such host":                    "",
		"not found: example.com/a: invalid version: git ls-remote -q origin in /tmp/x: exit status 128:\n\tfatal: could not read Username for 'https://example.com': terminal prompts disabled": "",
		"not found: example.com/fetch-timed-out@v1.0.0: unknown revision":                                                                                                                       "",
		"not found: example.com/bad/upstream/timeout@v0.0.0-503: unknown revision":                                                                                                              "",
	} {
		for _, status := range []int{404, 410} {
			v := Judge(&exchange.End{Status: status, Answer: []byte(text)})
			assert.Equal(t, NotFound, v.Outcome, text)
			assert.Equal(t, want, v.ErrorType, text)
			assert.False(t, v.Outcome.Failure())
		}
		for _, status := range []int{200, 403} {
			assert.Empty(t, Judge(&exchange.End{Status: status, Answer: []byte(text)}).ErrorType, "%d %s", status, text)
		}
	}
}

// TestAtTheEgressNothingIsUnknown: what the proxy asks has no cache result of its
// own, but for what the upstream's headers say of its.
func TestAtTheEgressNothingIsUnknown(t *testing.T) {
	for _, path := range []string{"/example.com/m/@v/v1.0.0.zip", "/example.com/m/@v/list", "/sumdb/sum.golang.org/supported"} {
		for headers, want := range map[string]exchange.CacheResult{"": "", "MISS": exchange.Miss, "HIT": exchange.Hit} {
			var got []Verdict
			s := NewSettler(time.Second, JoinSettings{Egress: true}, func(x Settled) { got = append(got, x.Verdict) })
			e := &exchange.End{ID: 1, Time: 2 * ms, FirstByte: 2 * ms, Status: http.StatusOK}
			if headers != "" {
				e.Cache.Headers = []exchange.Header{{Name: "X-Cache-Status", Value: headers}}
			}
			s.Add(exchange.Record{Kind: exchange.KindBegin, Time: ms, Begin: &exchange.Begin{ID: 1, Time: ms, Side: exchange.Egress, Path: path, Request: goproxy.Parse(path)}})
			s.Add(exchange.Record{Kind: exchange.KindEnd, Time: 2 * ms, End: e})
			require.Len(t, got, 1)
			assert.Equal(t, want, got[0].Result, "%s %q", path, headers)
		}
	}
}
