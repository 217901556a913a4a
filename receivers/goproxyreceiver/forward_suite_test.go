// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// forwarderStart starts a forwarder in front of an origin until the test's end
// and returns its base URL. It answers 504 after responseHeaderTimeout, and GET
// and HEAD only. What implements it can be put under the suite.
type forwarderStart func(t testing.TB, originURL string) (proxyURL string)

const responseHeaderTimeout = 4 * time.Second

func startPlain(t testing.TB, originURL string) string {
	cfg := testConfig(t, originURL)
	cfg.Forward.ResponseHeaderTimeout = responseHeaderTimeout
	return startReceiver(t, cfg).url
}

func startTLS(t testing.TB, originURL string) string {
	cfg := testConfig(t, originURL)
	cfg.Forward.ResponseHeaderTimeout = responseHeaderTimeout
	tlsConfig := configtls.NewDefaultServerConfig()
	tlsConfig.CertFile, tlsConfig.KeyFile = writeCertificate(t, t.TempDir(), "modtap")
	cfg.Ingress.TLS = configoptional.Some(tlsConfig)
	return startReceiver(t, cfg).url
}

func TestForwarder(t *testing.T)    { forwardingSuite(t, startPlain) }
func TestForwarderTLS(t *testing.T) { forwardingSuiteTLS(t, startTLS) }

// forwardingSuite is what a forwarder has to do over HTTP/1.1.
func forwardingSuite(t *testing.T, start forwarderStart) {
	t.Run("as a direct request", func(t *testing.T) {
		assert.Equal(t, documented, compareAll(t, start, ask, comparedCases), "what differs is what is documented")
	})
	for _, c := range []struct {
		name string
		run  func(*testing.T, forwarderStart)
	}{
		{"chunks as they come", suiteStreams},
		{"300 MB in little memory", suiteMemory},
		{"slow client", suiteSlowClient},
		{"client that leaves", suiteCancel},
		{"upstream that breaks", suiteBroken},
		{"upstream that breaks, HTTP/1.0", suiteBrokenHTTP10},
		{"upstream that is silent", suiteSilent},
		{"upstream that isn't there", suiteNoUpstream},
		{"upstream that isn't HTTP", suiteNoHTTP},
		{"connections are kept", suiteKeepAlive},
		{"idle connections", suiteIdle},
		{"smuggling", suiteSmuggling},
		{"requests that aren't a proxy's", suiteRefused},
		{"base path", suiteBasePath},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, start) })
	}
}

// forwardingSuiteTLS is what a forwarder has to do over TLS: HTTP/1.1 and HTTP/2.
func forwardingSuiteTLS(t *testing.T, start forwarderStart) {
	t.Run("HTTP/1.1 as a direct request", func(t *testing.T) {
		compareAll(t, start, ask, comparedCases[:8])
	})
	t.Run("HTTP/2 as a direct request", func(t *testing.T) {
		var cases []compared
		for _, c := range comparedCases {
			if !c.http1 {
				cases = append(cases, c)
			}
		}
		found := compareAll(t, start, askHTTP2, cases)
		assert.Subset(t, append(slices.Clone(documented), documentedHTTP2...), found)
	})
	t.Run("chunks as they come", func(t *testing.T) { suiteStreams(t, start) })
	t.Run("client that leaves", func(t *testing.T) { suiteCancel(t, start) })
	t.Run("upstream that breaks", func(t *testing.T) { suiteBroken(t, start) })
}

// documentedHTTP2 is what belongs to HTTP/2 itself.
var documentedHTTP2 = []string{
	"answer framing: chunked becomes until close",
	"answer: Content-Length removed", // of a 304
}

// compareAll asks each case's origin directly and through a forwarder, fails
// where something differs that mustn't, and returns what else differed.
func compareAll(t *testing.T, start forwarderStart, through func(t testing.TB, base, raw string) answered, cases []compared) []string {
	t.Helper()
	var current atomic.Pointer[string]
	origin := startOrigin(t, func(c net.Conn, _ received) { send(c, *current.Load()) })
	proxy := start(t, origin.url)
	differences := make(map[string]bool)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			current.Store(&c.answer)
			before := len(origin.seen())
			direct := ask(t, origin.url, c.request)
			proxied := through(t, proxy, c.request)

			requests := origin.seen()[before:]
			if assert.Len(t, requests, 2, "one request each") {
				sameRequest(t, requests[0], requests[1])
				diffHeaders(differences, "request: ", requests[0].header, requests[1].header)
			}
			sameAnswer(t, direct, proxied)
			diffHeaders(differences, "answer: ", direct.header, proxied.header)
			if direct.reason != proxied.reason {
				differences["answer reason phrase"] = true
			}
			if direct.framing != proxied.framing {
				differences[fmt.Sprintf("answer framing: %s becomes %s", direct.framing, proxied.framing)] = true
			}
			assert.Empty(t, origin.malformed())
		})
	}
	list := slices.Sorted(maps.Keys(differences))
	t.Logf("what differs: %q", list)
	return list
}

func sameRequest(t testing.TB, direct, through received) {
	t.Helper()
	assert.Equal(t, direct.line, through.line)
	assert.Equal(t, direct.host, through.host)
	assert.Equal(t, direct.body, through.body)
}

// sameAnswer asserts what must never differ.
func sameAnswer(t testing.TB, direct, through answered) {
	t.Helper()
	assert.Equal(t, direct.early, through.early)
	assert.Equal(t, direct.code, through.code)
	assert.Equal(t, direct.body, through.body)
	assert.Equal(t, direct.broken, through.broken)
	assert.Equal(t, direct.trailer, through.trailer)
}

func diffHeaders(to map[string]bool, prefix string, direct, through http.Header) {
	for name, values := range direct {
		switch got, ok := through[name]; {
		case !ok:
			to[prefix+name+" removed"] = true
		case !slices.Equal(values, got):
			to[prefix+name+" changed"] = true
		}
	}
	for name := range through {
		if _, ok := direct[name]; !ok {
			to[prefix+name+" added"] = true
		}
	}
}
