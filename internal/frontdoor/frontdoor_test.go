// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package frontdoor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}

func status(d Door, host string, header ...string) int {
	r := &http.Request{Host: host, Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	code, text := d.Refusal(r)
	if (code == 0) != (text == "") {
		panic("a refusal without a text")
	}
	return code
}

func TestHosts(t *testing.T) {
	d := New(loopback, []string{"goproxy.corp.example", "*.Dev.example", "10.1.2.3"})
	for _, port := range []string{"", ":8081", ":80", ":"} {
		for _, host := range []string{
			"localhost", "LOCALHOST", "localhost.", "LocalHost.", "a.localhost", "a.b.localhost.", "127.0.0.1", "127.0.0.1.", "127.1.2.3", "127.255.255.254",
			"[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]",
			"goproxy.corp.example", "GOPROXY.corp.example.", "x.dev.example", "x.y.DEV.example", "10.1.2.3",
		} {
			assert.Zero(t, status(d, host+port), "case 11: %q", host+port)
		}
		for _, host := range []string{
			"rebind.example", "localhost.rebind.example", "localhost.example", "127.0.0.1.rebind.example", "127.0.0.1.nip.io", "alocalhost", "xn--lcalhost-q1a",
			"2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "127.0.0.01", "0.0.0.0", "[::]", "[::2]", "128.0.0.1", "192.168.1.1", "[::ffff:10.0.0.1]",
			"us:pw@localhost", "localhost@rebind.example", "localhost:80@rebind.example", "[::1%25lo]", "[::1%lo]", "[::1", "[localhost]", "localhost..", ".localhost.x",
			"localhost\x00", "localhost\t", "local host", "localhost/x", "localhost?", "localhost#", "127.0.0.1,rebind.example", "lоcalhost", "localhost,",
			"goproxy.corp.example.rebind.example", "xgoproxy.corp.example", "dev.example", "xdev.example", ".dev.example.x",
		} {
			assert.Equal(t, http.StatusMisdirectedRequest, status(d, host+port), "case 11: %q", host+port)
		}
	}
	for _, host := range []string{"localhost:80x", "localhost:80:80", "localhost:-1", "localhost: 80", "127.0.0.1:80 ", "::1"} {
		assert.Equal(t, host != "::1", status(d, host) != 0, "%q", host)
	}
	assert.Zero(t, status(d, ""), "HTTP/1.0")
}

func TestOtherListeners(t *testing.T) {
	for _, at := range []net.Addr{&net.TCPAddr{IP: net.IPv4zero}, &net.TCPAddr{IP: net.IPv6unspecified}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, &net.TCPAddr{}, &net.UnixAddr{}, nil} {
		assert.Zero(t, status(New(at, nil), "goproxy.corp.example", "Sec-Fetch-Site", "cross-site"))
	}
	assert.Zero(t, status(Door{}, "anything"))
	assert.Equal(t, 421, status(New(&net.TCPAddr{IP: net.IPv6loopback}, nil), "x.example"))
	assert.Zero(t, status(New(loopback, []string{"*"}), "x.example"))
}

func TestOtherSites(t *testing.T) {
	d := New(loopback, []string{"goproxy.example"})
	for value, want := range map[string]int{"cross-site": 403, "Cross-Site": 403, "same-site": 0, "same-origin": 0, "none": 0, "": 0} {
		assert.Equal(t, want, status(d, "localhost:8081", "Sec-Fetch-Site", value), value)
	}
	assert.Zero(t, status(d, "goproxy.example", "Sec-Fetch-Site", "cross-site"), "a public name, by a proxy in front")
}

func TestValidate(t *testing.T) {
	require.NoError(t, Validate([]string{"a.example", "*.b.example", "*", "10.0.0.1", "LOCAL", "::1"}))
	for _, host := range []string{"", "a.example:80", "http://a.example", "a b", "*a.example", "a.*.example", "us:CANARY@a.example", "a/b"} {
		err := Validate([]string{host})
		if host == "" {
			continue
		}
		require.Error(t, err, host)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

func TestHandler(t *testing.T) {
	h := New(loopback, nil).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	ask := func(host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for host, code := range map[string]int{"localhost:1": 200, "rebind.example": 421} {
		w := ask(host)
		assert.Equal(t, code, w.Code)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
	text := ask("us:CANARY@\x1b" + strings.Repeat("x", 1000)).Body.String()
	assert.Contains(t, text, "allowed_hosts")
	assert.NotContains(t, text, "CANARY")
	assert.Less(t, len(text), 600)
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost:80", "[::1]:80", "127.0.0.1", "us@h", "[::1%25x]", "", ":", "[", "]:"} {
		f.Add(host)
	}
	d := New(loopback, nil)
	f.Fuzz(func(t *testing.T, host string) {
		if status(d, host) != 0 {
			return
		}
		lower := strings.ToLower(host)
		if host != "" && !strings.HasPrefix(host, ":") && !strings.Contains(lower, "localhost") && !strings.Contains(lower, "127.") && !strings.Contains(lower, ":") {
			t.Fatalf("%q is taken for a name of loopback", host)
		}
		if strings.ContainsAny(host, "@/ ") {
			t.Fatalf("%q is taken for a host", host)
		}
	})
}
