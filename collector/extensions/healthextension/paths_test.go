// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
)

// listening starts a health extension and returns the address of its listener.
func listening(t *testing.T) (*health, string) {
	t.Helper()
	var at string
	factory := NewFactory(WithAnnounce(func(_, where, _ string) { at = where }))
	cfg := factory.CreateDefaultConfig().(*Config)
	cfg.HTTP.NetAddr.Endpoint = "127.0.0.1:0"
	e, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(t.Context())) })
	u, err := url.Parse(at)
	require.NoError(t, err)
	return e.(*health), u.Host
}

// raw sends a request line as it is written, which a client of net/http would clean.
func raw(t *testing.T, address, method, target string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, target, address)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header, string(text)
}

// TestPaths is case 50: what isn't exactly a path of the table is never 200.
func TestPaths(t *testing.T) {
	h, address := listening(t)
	require.NoError(t, h.Ready())
	want := map[string]string{
		"/": "Server available", "/livez": "Server available", "/healthz": "Server available",
		"/ready": "ready", "/readyz": "ready", "/healthy": "healthy",
	}
	require.ElementsMatch(t, names(), slices.Collect(func(yield func(string) bool) {
		for name := range want {
			if !yield(name) {
				return
			}
		}
	}))
	for name, said := range want {
		t.Run("case 50: GET and HEAD "+name, func(t *testing.T) {
			status, header, body := raw(t, address, http.MethodGet, name)
			assert.Equal(t, http.StatusOK, status)
			assert.Contains(t, body, `"status": "`+said+`"`)
			assert.Equal(t, "application/json", header.Get("Content-Type"))
			status, _, body = raw(t, address, http.MethodHead, name)
			assert.Equal(t, http.StatusOK, status)
			assert.Empty(t, body)
			status, _, _ = raw(t, address, http.MethodGet, name+"?verbose")
			assert.Equal(t, http.StatusOK, status, "Kubernetes' probes may have a query")
		})
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			t.Run("case 50: "+method+" "+name, func(t *testing.T) {
				status, header, _ := raw(t, address, method, name)
				assert.Equal(t, http.StatusMethodNotAllowed, status)
				assert.Equal(t, "GET, HEAD", header.Get("Allow"))
			})
		}
	}
}

// mistyped are spellings near a path: each of its bytes left out, doubled,
// swapped with the next or in upper case, and what leads to it elsewhere.
func mistyped(name string) []string {
	out := []string{
		name + "/", "/" + name, "/x/.." + name, "/." + name, name + "%2F", name + "%00", name + ";", name + ".json", "/api" + name, "/v1" + name,
		strings.ToUpper(name), name + "\\",
	}
	for i := 1; i < len(name); i++ {
		out = append(out, name[:i]+name[i+1:], name[:i]+name[i:i+1]+name[i:])
		if i+1 < len(name) {
			out = append(out, name[:i]+name[i+1:i+2]+name[i:i+1]+name[i+2:])
		}
	}
	return out
}

func TestMistypedPaths(t *testing.T) {
	h, address := listening(t)
	require.NoError(t, h.Ready())
	spellings := []string{"/foo", "/redy", "/health", "/status", "/metrics", "/favicon.ico", "/ready/ready", "*"}
	for _, name := range names() {
		spellings = append(spellings, mistyped(name)...)
	}
	for _, target := range spellings {
		if slices.Contains(names(), target) {
			continue // a letter more or less is another path: /ready and /readyz
		}
		for _, method := range []string{"GET", "HEAD", "TRACE"} {
			if target == "*" && method != "GET" {
				continue
			}
			t.Run("case 50: "+method+" "+target, func(t *testing.T) {
				status, _, body := raw(t, address, method, target)
				if target == "*" { // net/http answers the asterisk form itself
					assert.NotEqual(t, http.StatusOK, status)
					return
				}
				assert.Equal(t, http.StatusNotFound, status, body)
				if method == "GET" {
					for _, name := range names() {
						assert.Contains(t, body, `"`+name+`"`)
					}
				}
			})
		}
	}
}
