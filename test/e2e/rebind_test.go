// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rawStatus sends a request as it stands and returns the answer's status and header.
func rawStatus(t *testing.T, address, request string) (int, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err, request)
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header
}

// listener is where one listens, and a path that it answers.
type listener struct{ address, path string }

// listeners are all that m has, by name.
func listeners(t *testing.T, m *modtap) map[string]listener {
	t.Helper()
	egress := regexp.MustCompile(`(?m)^ +egress +http://(\S+)`).FindStringSubmatch(m.output.String())
	require.NotNil(t, egress)
	const module = "/example.com/private/@v/v1.0.0.info"
	return map[string]listener{
		"ingress": {strings.TrimPrefix(m.proxy, "http://"), module},
		"egress":  {egress[1], module},
		"metrics": {m.metrics, "/metrics"},
		"health":  {strings.TrimPrefix(m.healthURL(), "http://"), "/healthy"},
	}
}

// TestRebinding (case 11) asks every listener by names that a page could have.
func TestRebinding(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/private", 100)
	m := start(t, append(o.goproxy(), "MODTAP_UPSTREAM="+o.URL, "MODTAP_EGRESS_LISTEN=127.0.0.1:0", "MODTAP_ALLOWED_HOSTS=goproxy.corp.example, *.dev.example"), "run")
	for name, at := range listeners(t, m) {
		t.Run(name, func(t *testing.T) {
			ask := func(lines ...string) int {
				status, header := rawStatus(t, at.address, "GET "+at.path+" HTTP/1.1\r\n"+strings.Join(append(lines, "Connection: close", "", ""), "\r\n"))
				if status == 421 || status == 403 || name == "metrics" || name == "health" {
					assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
				}
				return status
			}
			for _, host := range []string{"rebind.example", "REBIND.example.", "rebind.example:8081", "127.0.0.1.nip.io", "localhost.rebind.example", "2130706433", "0x7f.1", "127.1", "192.168.0.1:80"} {
				assert.Equal(t, 421, ask("Host: "+host), "case 11: %s", host)
			}
			for _, host := range []string{"localhost", "LOCALHOST.:1", "x.localhost:9", "127.0.0.1", at.address, "[::1]:1", "[::ffff:127.0.0.1]", "goproxy.corp.example", "a.dev.example:443"} {
				assert.Less(t, ask("Host: "+host), 400, host)
			}
			assert.Equal(t, 403, ask("Host: localhost", "Sec-Fetch-Site: cross-site"))
			assert.Less(t, ask("Host: localhost", "Sec-Fetch-Site: same-origin"), 400)
			status, _ := rawStatus(t, at.address, "GET "+at.path+" HTTP/1.0\r\n\r\n")
			assert.Less(t, status, 400, "HTTP/1.0 has no Host")
		})
	}
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(m.log)
		return err == nil && strings.Count(string(text), `"outcome":"refused"`) >= 20
	}, time.Minute, 100*time.Millisecond, "refusals are recorded")
}

// TestBodiesThatNeverCome (case 19) announces a body to every listener and sends one byte of it.
func TestBodiesThatNeverCome(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/private", 100)
	m := start(t, append(o.goproxy(), "MODTAP_UPSTREAM="+o.URL, "MODTAP_EGRESS_LISTEN=127.0.0.1:0"), "run")
	for name, at := range listeners(t, m) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "TRACE", "OPTIONS"} {
			for _, body := range []string{"Content-Length: 100000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"} {
				t.Run("case 19: "+name+" "+method+" "+strings.TrimSpace(strings.ReplaceAll(body, "\r\n", " ")), func(t *testing.T) {
					t.Parallel()
					conn, err := net.Dial("tcp", at.address)
					require.NoError(t, err)
					defer conn.Close()
					require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
					_, err = io.WriteString(conn, method+" "+at.path+" HTTP/1.1\r\nHost: "+at.address+"\r\n"+body)
					require.NoError(t, err)
					answer, err := io.ReadAll(conn) // until the connection ends
					require.NoError(t, err)
					assert.Contains(t, string(answer), "HTTP/1.1 ")
					assert.Contains(t, string(answer), "Connection: close")
				})
			}
		}
	}
}

// TestRebindingHTTP2 asks by the :authority of HTTP/2.
func TestRebindingHTTP2(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/private", 100)
	cert, key := selfSigned(t)
	m := start(t, append(o.goproxy(), "MODTAP_TLS_CERT="+cert, "MODTAP_TLS_KEY="+key), "run")
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // its own certificate
	for host, want := range map[string]int{"rebind.example": 421, "localhost:1": 200} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.proxy+"/example.com/private/@v/v1.0.0.info", http.NoBody)
		require.NoError(t, err)
		r.Host = host
		answer, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, 2, answer.ProtoMajor)
		assert.Equal(t, want, answer.StatusCode, "case 11: %s", host)
	}
}
