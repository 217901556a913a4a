// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

// serveOnce lets a real server answer one request for target with handler.
func serveOnce(t *testing.T, protocol, method, target string, handler func(w http.ResponseWriter)) (status int, body string, end exchange.End) {
	t.Helper()
	in, kept := newIngress(t, func(w http.ResponseWriter, _ *http.Request) { handler(w) })
	server := httptest.NewUnstartedServer(in)
	if server.EnableHTTP2 = protocol == "HTTP/2.0"; server.EnableHTTP2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, http.NoBody)
	require.NoError(t, err)
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	require.Equal(t, protocol, resp.Proto)
	sent, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	server.Close()
	in.gate.Lock() // the answer of a HEAD is there before its handler has ended
	require.Len(t, kept.ends, 1)
	return resp.StatusCode, string(sent), kept.ends[0]
}

func TestWriterNotesWhatIsSent(t *testing.T) {
	const info = "/example.com/m/@v/v1.0.0.info"
	long := strings.Repeat("0123456789abcdef", 1<<10)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(long), 0o600))
	copyFile := func(w http.ResponseWriter) {
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		n, err := io.Copy(w, f)
		assert.Equal(t, []any{int64(len(long)), nil}, []any{n, err})
	}
	text := func(code int, body string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(code)
			n, err := io.WriteString(w, body)
			assert.Equal(t, []any{len(body), nil}, []any{n, err})
		}
	}
	sized := func(code int) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(code)
		}
	}
	for _, c := range []struct {
		name, method, target string
		handler              func(w http.ResponseWriter)
		status               int
		size                 int64
		answer               string
	}{
		{"nothing", http.MethodGet, zip, func(http.ResponseWriter) {}, 200, 0, ""},
		{"only a flush", http.MethodGet, zip, func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, 200, 0, ""},
		{"a body", http.MethodGet, zip, text(200, "hello"), 200, 5, ""},
		{"a file", http.MethodGet, zip, copyFile, 200, int64(len(long)), ""},
		{"the beginning of an .info", http.MethodGet, info, copyFile, 200, int64(len(long)), long[:exchange.MaxAnswer]},
		{"a short .info", http.MethodGet, info, text(200, `{"Version":"v1.0.0"}`), 200, 20, `{"Version":"v1.0.0"}`},
		{"an error's text", http.MethodGet, zip, text(404, "not found: nothing"), 404, 18, "not found: nothing"},
		{"a part", http.MethodGet, info, text(206, "part"), 206, 4, ""},
		{"HEAD", http.MethodHead, zip, text(404, "not sent"), 404, 0, "not sent"},
		{"HEAD of a file", http.MethodHead, zip, copyFile, 200, 0, ""},
		{"HEAD with a length", http.MethodHead, zip, sized(200), 200, 0, ""},
		{"HEAD of a part", http.MethodHead, zip, sized(206), 206, 0, ""},
		{"HEAD, flushed", http.MethodHead, zip, func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, 200, 0, ""},
		{"no content", http.MethodGet, zip, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, 204, 0, ""},
		{"not modified", http.MethodGet, zip, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) }, 304, 0, ""},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(c.name+", "+protocol, func(t *testing.T) {
				status, body, end := serveOnce(t, protocol, c.method, c.target, c.handler)
				assert.Equal(t, c.status, status)
				assert.Equal(t, c.status, end.Status)
				assert.Equal(t, c.size, end.BodySize)
				assert.Len(t, body, int(c.size), "what is noted is what is sent")
				assert.Equal(t, c.answer, string(end.Answer))
				assert.NotZero(t, end.FirstByte)
				assert.Equal(t, exchange.Complete, end.Disposition)
			})
		}
	}
}

// failing is a client that is gone.
type failing struct{ http.ResponseWriter }

func (failing) Write([]byte) (int, error) { return 2, errors.New("gone") }

func (failing) FlushError() error { return errors.New("gone") }

func TestWriteThatFailsIsAClientThatLeft(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter){
		"write": func(w http.ResponseWriter) { _, _ = w.Write([]byte("hello")) },
		"copy":  func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("hello")) },
		"flush": func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			in, kept := newIngress(t, func(w http.ResponseWriter, _ *http.Request) { write(w) })
			in.ServeHTTP(failing{httptest.NewRecorder()}, httptest.NewRequestWithContext(context.Background(), http.MethodGet, zip, http.NoBody))
			assert.Equal(t, exchange.ClientGone, kept.ends[0].Disposition)
			assert.LessOrEqual(t, kept.ends[0].BodySize, int64(2))
		})
	}
}
