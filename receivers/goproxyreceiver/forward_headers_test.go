// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// TestInformationalAnswers: none to HTTP/1.0 (RFC 9110, section 15.2), and to
// others without the headers of one connection.
func TestInformationalAnswers(t *testing.T) {
	for _, code := range []int{100, 102, 103, 104, 199} {
		for _, version := range []string{"1.0", "1.1"} {
			t.Run(fmt.Sprintf("case 53: %d to HTTP/%s", code, version), func(t *testing.T) {
				hint := fmt.Sprintf("HTTP/1.1 %d Hint\r\nLink: </a>\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n\r\n", code)
				origin := rawOrigin(t, hint+hint+plain)
				a := ask(t, startPlain(t, origin.url), "GET "+zip+" HTTP/"+version+"\r\nHost: {host}\r\n\r\n")
				assert.Equal(t, 200, a.code)
				assert.Equal(t, "hello", a.body)
				if version == "1.0" || code == http.StatusContinue {
					assert.Empty(t, a.early)
					return
				}
				require.Len(t, a.early, 2)
				for _, early := range a.early {
					assert.ElementsMatch(t, []string{":status", "Link"}, slices.Collect(maps.Keys(early)))
				}
				assert.NotContains(t, a.header, "Link", "it was the hint's")
			})
		}
	}
}

// TestHeadersOfOneConnection leave every message, wherever they stand.
func TestHeadersOfOneConnection(t *testing.T) {
	hops := slices.Concat(hopByHop, []string{"X-Hop", "x-other-hop", "Cache-Status", "Via", "Range"})
	// Not beside close: there net/http forgets them.
	lines := []string{"Connection: X-Hop ,, x-OTHER-hop", "Connection: cache-status,via,Range"}
	answerLines := append([]string{"X-Stays: 1", chunked, "Trailer: X-Hop, X-Sum"}, lines...)
	trailing := []string{"0", "X-Sum: 1"}
	for _, name := range hops {
		switch name {
		case "Connection", "Transfer-Encoding", "Trailer", "Te":
		default:
			answerLines = append(answerLines, name+": 1")
		}
		if name != "Transfer-Encoding" && name != "Trailer" {
			trailing = append(trailing, name+": 1")
		}
	}
	requestLines := append([]string{"X-Stays: 1", "Range: bytes=0-1", "X-Hop: 1", "X-Other-Hop: 1", "Keep-Alive: 1", "Upgrade: x", "Proxy-Authorization: x"}, lines...)
	for name, start := range map[string]func(testing.TB, string) string{"forward": startPlain, "egress": startEgress} {
		t.Run("case 53: "+name, func(t *testing.T) {
			origin := startOrigin(t, func(c net.Conn, _ received) {
				send(c, answer("200 OK", answerLines...)+strings.Join(trailing, "\r\n")+"\r\n\r\n")
				_ = c.Close()
			})
			a := ask(t, start(t, origin.url), get(zip, requestLines...))
			require.Equal(t, 200, a.code)
			require.Len(t, origin.seen(), 1)
			asked := origin.seen()[0].header
			for _, name := range hops {
				switch name = http.CanonicalHeaderKey(name); name {
				case "Connection":
				case "Cache-Status": // the egress has one of its own
					assert.NotContains(t, a.header[name], "1", "answer")
				default:
					assert.NotContains(t, a.header, name, "answer")
				}
				assert.NotContains(t, a.trailer, name, "trailer")
				if name != "Via" { // our own
					assert.NotContains(t, asked, name, "request")
				}
			}
			assert.Equal(t, "1", a.header.Get("X-Stays"))
			assert.Equal(t, "1", a.trailer.Get("X-Sum"))
		})
	}
}

// startEgress starts a receiver whose egress asks origin and returns its URL.
func startEgress(t testing.TB, origin string) string {
	cfg := testConfig(t, "http://127.0.0.1:1")
	cfg.GOPROXY = origin
	cfg.Egress.Endpoint = "127.0.0.1:0"
	return startReceiver(t, cfg).receiver.listeners[1].url()
}

// TestForwardedHeaders: the proxy beside us hears who asked, and by what name, so
// that its redirects name the outside address.
func TestForwardedHeaders(t *testing.T) {
	inside := startOrigin(t, func(c net.Conn, r received) {
		send(c, answer("302 Found", "Location: "+r.header.Get("X-Forwarded-Proto")+"://"+r.header.Get("X-Forwarded-Host")+"/elsewhere", "Content-Length: 0"))
	})
	for _, tt := range []struct {
		name    string
		trusted []string
		lines   []string
		want    http.Header // X-Forwarded-Host {host} unless it says otherwise
	}{
		{"nobody before us", nil, nil, http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}}},
		{
			"one who isn't trusted",
			[]string{"10.0.0.0/8"},
			[]string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "x-forwarded-prefix: /x", "Forwarded: for=1.2.3.4;host=evil.example"},
			http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}},
		},
		{
			"one who is",
			[]string{"127.0.0.1"},
			[]string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-For:  2001:db8::1,10.0.0.1", "X-Forwarded-Host: go.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"},
			http.Header{
				"X-Forwarded-For": {"1.2.3.4, 2001:db8::1, 10.0.0.1, 127.0.0.1"}, "X-Forwarded-Proto": {"https"},
				"X-Forwarded-Host": {"go.example"}, "X-Forwarded-Port": {"443"},
			},
		},
		{
			"one who is, and says it the standard way",
			[]string{"127.0.0.0/8"},
			[]string{`Forwarded: for="[2001:db8::1]:4711";proto=https, for=10.0.0.1`},
			http.Header{
				"X-Forwarded-For": {"[2001:db8::1]:4711, 10.0.0.1, 127.0.0.1"}, "X-Forwarded-Proto": {"http"},
				"Forwarded": {`for="[2001:db8::1]:4711";proto=https, for=10.0.0.1, for=127.0.0.1`},
			},
		},
		{"one who is, and says nothing", []string{"127.0.0.0/8"}, nil, http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}}},
		{"connection that names them", []string{"127.0.0.0/8"}, []string{"Connection: X-Forwarded-For, X-Forwarded-Host", "X-Forwarded-For: 1.2.3.4"}, http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}}},
	} {
		t.Run("case 54: "+tt.name, func(t *testing.T) {
			cfg := testConfig(t, inside.url)
			cfg.TrustedProxies = tt.trusted
			base := startReceiver(t, cfg).url
			_, host, _ := strings.Cut(base, "://")
			a := ask(t, base, get(zip, tt.lines...))
			requests := inside.seen()
			got := http.Header{}
			for name, values := range requests[len(requests)-1].header {
				if strings.Contains(name, "Forwarded") {
					got[name] = values
				}
			}
			if tt.want.Get("X-Forwarded-Host") == "" {
				tt.want.Set("X-Forwarded-Host", host)
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.want.Get("X-Forwarded-Proto")+"://"+tt.want.Get("X-Forwarded-Host")+"/elsewhere", a.header.Get("Location"))
		})
	}
}

func TestForwardedHeadersOverTLS(t *testing.T) {
	origin := rawOrigin(t, plain)
	cfg := testConfig(t, origin.url)
	tlsConfig := configtls.NewDefaultServerConfig()
	tlsConfig.CertFile, tlsConfig.KeyFile = writeCertificate(t, t.TempDir(), "modtap")
	cfg.Ingress.TLS = configoptional.Some(tlsConfig)
	base := startReceiver(t, cfg).url
	a := ask(t, base, "GET "+zip+" HTTP/1.1\r\nHost: {host}\r\n\r\n")
	require.Equal(t, 200, a.code, a.body)
	require.Len(t, origin.seen(), 1)
	asked := origin.seen()[0].header
	assert.Equal(t, "https", asked.Get("X-Forwarded-Proto"))
	assert.Equal(t, strings.TrimPrefix(base, "https://"), asked.Get("X-Forwarded-Host"))
}

// TestForwardedHeadersBetweenTwo: of two that trust each other, the second believes
// what the first says of the client.
func TestForwardedHeadersBetweenTwo(t *testing.T) {
	for _, line := range []string{"X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7"} {
		origin := rawOrigin(t, plain)
		second := testConfig(t, origin.url)
		second.TrustedProxies = []string{"127.0.0.1"}
		behind := startReceiver(t, second)
		first := testConfig(t, behind.url)
		first.TrustedProxies = []string{"127.0.0.1"}
		require.Equal(t, 200, ask(t, startReceiver(t, first).url, get(zip, line)).code)
		all := behind.exchanges(t)
		require.Len(t, all, 1)
		assert.Equal(t, "192.0.2.7", all[0].log["client.address"], line)
	}
}
