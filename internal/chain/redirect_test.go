// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

const canary = "the content of a local file"

// secretFile is a file that no redirect may lead to.
func secretFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "passwd")
	require.NoError(t, os.WriteFile(name, []byte(canary), 0o600))
	return filepath.ToSlash(name)
}

// locations are what an upstream can write into Location that is no http or https
// URL with a host.
func locations(file string) []string {
	all := []string{
		"file://" + file, "FILE://" + file, "File://" + file, "file:" + file, "file://localhost" + file, "file://127.0.0.1" + file,
		"file:////" + file, "file:///../../../.." + file, "file:///proc/self/environ", "file://me:secret@" + file, "file://" + file + "?secret#x",
		"ftp://a.example/x", "FTP://a.example/x", "gopher://127.0.0.1:1/x", "data:text/plain,secret", "javascript:alert(1)", "unix:///run/x.sock",
		"http:", "http://", "http:///etc/passwd", "https:///etc/passwd", "http:opaque", "https:opaque", "http:/x:y", "http://:80/x", "https://:443",
		"http://[::1", "http://a b/", "http://%zz/", "http://me:secret@", "http://me:secret@[", "://x", ":", "%", "\x7f", "http://a.example:port/",
	}
	for _, scheme := range []string{"jar", "ldap", "dict", "ws", "h2c", "httpx", "http+unix", "direct", "git", "ssh"} {
		all = append(all, scheme+"://127.0.0.1:1/x", scheme+":/x", scheme+":x")
	}
	return all
}

// TestRedirectsElsewhere: only http and https are asked, nothing local is opened, and
// nothing of the Location is told.
func TestRedirectsElsewhere(t *testing.T) {
	file := secretFile(t)
	for i, location := range locations(file) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("case 8: %d %d %s", i, code, strings.ReplaceAll(location, "/", "|")), func(t *testing.T) {
				a := start(t, redirectTo(location, code))
				assertNotFollowed(t, a.URL, location)
			})
		}
	}
}

func redirectTo(location string, code int) behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{location}
		w.WriteHeader(code)
	}
}

func assertNotFollowed(t *testing.T, upstream, location string) {
	t.Helper()
	ledger := new(Ledger)
	body := ""
	err := client(t, upstream).Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".zip")}, readAll(&body))
	e := requireError(t, err)
	assert.Equal(t, 502, e.Status(), "%q: %v", location, err)
	assert.Equal(t, "bad_response", e.Word, "%q: %v", location, err)
	assert.Empty(t, body)
	assertNoSecret(t, err.Error())
	attempts := ledger.Take()
	require.Len(t, attempts, 1, location)
	assert.Equal(t, "bad_response", attempts[0].Error)
}

// TestRedirectsTellNoReferer: to whom an upstream leads isn't told what was asked of it, a private module for one, nor the query of a
// hop between, which may be a signature.
func TestRedirectsTellNoReferer(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		for hops := 1; hops < 10; hops++ {
			asked := 0
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				assert.NotContains(t, r.Header, "Referer", "%d, hop %d", code, asked)
				for name, values := range r.Header {
					assert.NotContains(t, strings.Join(values, " "), "secret", name)
					assert.NotContains(t, strings.Join(values, " "), "a.b", name)
				}
				if asked < hops {
					redirectTo("/opaque?signature=secret", code)(w, r)
					return
				}
				w.WriteHeader(http.StatusNotFound)
			}))
			a := start(t, redirectTo(elsewhere.URL+"/opaque?signature=secret", code))
			require.Error(t, client(t, a.URL).Do(t.Context(), Request{Request: asks(stem + ".zip")}, readAll(new(string))))
			assert.Equal(t, hops, asked)
			elsewhere.Close()
		}
	}
}

// FuzzRedirect: whatever stands in Location, what is asked has the scheme http or
// https and a host, and no local file is read.
func FuzzRedirect(f *testing.F) {
	file := secretFile(f)
	for _, l := range locations(file) {
		f.Add(l)
	}
	for _, l := range []string{"/x", "x", "?q", "#f", "//127.0.0.1:1/x", "..", "http://127.0.0.1:1/", "HTTP://127.0.0.1:1", "//me:secret@127.0.0.1:1/x", ""} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, location string) {
		if strings.ContainsAny(location, "\r\n\x00") {
			return // No server can send it.
		}
		asked := &onlyHTTP{t: t, location: location}
		body := ""
		c, err := New(Settings{List: List{{URL: &url.URL{Scheme: "http", Host: "a.example"}}}, Transport: asked})
		require.NoError(t, err)
		_ = c.Do(t.Context(), Request{Request: asks(stem + ".zip")}, readAll(&body))
		assert.NotContains(t, body, canary)
	})
}

// onlyHTTP is a transport that redirects once and notes what is asked then.
type onlyHTTP struct {
	t        *testing.T
	location string
	asked    int
}

func (o *onlyHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	assert.Contains(o.t, []string{"http", "https"}, req.URL.Scheme)
	assert.NotEmpty(o.t, req.URL.Hostname())
	assert.Empty(o.t, req.URL.Opaque)
	o.asked++
	if o.asked == 1 {
		resp := answerFile(req, http.StatusFound)
		resp.Header["Location"] = []string{o.location}
		return resp, nil
	}
	return answerFile(req, http.StatusNotFound), nil
}

// TestTransportHasNoFiles: the transport for upstreams knows http and https only,
// whoever hands it a URL.
func TestTransportHasNoFiles(t *testing.T) {
	tr, err := openTransport(Settings{})
	require.NoError(t, err)
	for _, u := range []string{"file://" + secretFile(t), "ftp://a.example/x"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL, err = url.Parse(u)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		assert.ErrorContains(t, err, "unsupported protocol scheme", u)
	}
}

// dialTo connects to another address than is asked for; that of "" is for the rest.
func dialTo(addresses map[string]string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to, ok := addresses[address]
		if !ok {
			to = addresses[""]
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
}

// TestRedirectedHostsAreBounded: an upstream that redirects to ever new hosts adds to
// nothing that is told, and its own host isn't forgotten.
func TestRedirectedHostsAreBounded(t *testing.T) {
	var mu sync.Mutex
	n := 0
	b := start(t, serveModule)
	port := b.Listener.Addr().(*net.TCPAddr).Port
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		host := fmt.Sprintf("127.0.%d.%d", n/250, n%250+2)
		mu.Unlock()
		http.Redirect(w, r, fmt.Sprintf("http://%s:%d%s", host, port, r.URL.Path), http.StatusFound)
	})
	c := client(t, a.URL, func(s *Settings) {
		s.Breaker.Failures = 3
		s.Transport = &http.Transport{DialContext: dialTo(map[string]string{"": b.Listener.Addr().String(), a.Listener.Addr().String(): a.Listener.Addr().String()}), DisableKeepAlives: true}
	})
	ledger := new(Ledger)
	for range 2 * maxHosts {
		require.NoError(t, c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, readAll(new(string))))
	}
	hosts := c.Hosts()
	assert.LessOrEqual(t, len(hosts), maxHosts)
	own, at := 0, a.Listener.Addr().(*net.TCPAddr)
	for _, h := range hosts {
		assert.Equal(t, "127.0.0.1", h.Address, "case 10: the value is the configured one")
		assert.EqualValues(t, at.Port, h.Port)
		if !h.Redirected {
			own++
		}
	}
	assert.Equal(t, 1, own)
	for _, at := range ledger.Take() {
		address, port := at.Configured()
		assert.Equal(t, a.Listener.Addr().String(), net.JoinHostPort(address, strconv.FormatUint(uint64(port), 10)), "case 10: of %s", at.URL)
		assert.Equal(t, at.Address != "127.0.0.1", at.Origin != "", "what was asked stays as it is")
	}
}

func TestRedirectsKeepTheirOrigin(t *testing.T) {
	e := exchange.End{Attempts: []exchange.Attempt{
		{Address: "b.example", Port: 443, Origin: "a.example", OriginPort: 8443}, {Address: "a.example", Port: 443, Direct: true},
	}}
	r, err := exchange.Decode(exchange.AppendEnd(nil, &e))
	require.NoError(t, err)
	assert.Equal(t, e.Attempts, r.End.Attempts)
}
