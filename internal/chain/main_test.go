// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/internal/goproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stem = "example.com/m/@v/v1.0.0"

// files are those of the module that the test upstreams have.
var files = sync.OnceValue(func() map[string]string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, _ := z.Create("example.com/m@v1.0.0/go.mod")
	_, _ = io.WriteString(f, "module example.com/m\n")
	_ = z.Close()
	return map[string]string{
		".info": `{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z"}`,
		".mod":  "module example.com/m\n",
		".zip":  b.String(),
	}
})

// asks is a request for a file of the protocol.
func asks(file string) goproxy.Request { return goproxy.Parse("/" + file) }

func extension(path string) string { return path[strings.LastIndexByte(path, '.'):] }

// behaviour is how an upstream answers.
type behaviour func(w http.ResponseWriter, r *http.Request)

func serveModule(w http.ResponseWriter, r *http.Request) {
	body, ok := files()[extension(r.URL.Path)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, body)
}

func status(code int) behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, fmt.Sprintf("this is %d", code), code)
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// garbage is no .info. What is wrong with other files the go command finds out
// only after its walk.
func garbage(w http.ResponseWriter, r *http.Request) {
	if extension(r.URL.Path) != ".info" {
		serveModule(w, r)
		return
	}
	_, _ = io.WriteString(w, "<html>sign in, please</html>")
}

func broken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "{")
}

// upstream is a server that keeps what it was asked.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	heads []http.Header
}

func start(t *testing.T, b behaviour) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.asked = append(u.asked, r.URL.Path)
		u.heads = append(u.heads, r.Header.Clone())
		u.mu.Unlock()
		b(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) paths() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.asked...)
}

func client(t *testing.T, goproxy string, change ...func(*Settings)) *Client {
	t.Helper()
	list, err := Parse(goproxy)
	require.NoError(t, err)
	s := Settings{List: list, Timeouts: Timeouts{Dial: 2 * time.Second, Header: 2 * time.Second, Idle: 2 * time.Second}}
	for _, f := range change {
		f(&s)
	}
	c, err := New(s)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func readAll(into *string) func(*Answer) error {
	return func(a *Answer) error {
		b, err := io.ReadAll(a.Body)
		*into = string(b)
		return err
	}
}

func requireError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}

func assertNoSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		assert.NotContains(t, s, "secret")
	}
}
