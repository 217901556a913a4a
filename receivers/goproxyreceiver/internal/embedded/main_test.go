// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stem = "example.com/m/@v/v1.0.0"
	info = `{"Version":"v1.0.0","Time":"2020-01-02T03:04:05Z","Origin":{"VCS":"git","Ref":"refs/tags/v1.0.0"}}`
	mod  = "module example.com/m\n"

	zipPath = "/" + stem + ".zip"
)

// upstream is a module proxy whose faults the tests choose.
type upstream struct {
	*httptest.Server
	files map[string]string

	mu    sync.Mutex
	asked []string
	heads []http.Header
	fault func(w http.ResponseWriter, r *http.Request) (done bool)
}

// newUpstream has example.com/m v1.0.0 with a zip of about size bytes.
func newUpstream(t *testing.T, size int) *upstream {
	t.Helper()
	u := &upstream{files: map[string]string{
		"/" + stem + ".info":             info,
		"/" + stem + ".mod":              mod,
		"/" + stem + ".zip":              moduleZip(t, size),
		"/example.com/m/@v/list":         "v1.0.0\n",
		"/example.com/m/@latest":         info,
		"/example.com/m/@v/master.info":  info,
		"/example.com/m/@v/v1.1.0.info":  info, // Another version's.
		"/example.com/m/@v/v1.1.0.mod":   "<html>sign in</html>",
		"/example.com/m/@v/v1.1.0.zip":   "PK?",
		"/sumdb/sum.example/supported":   "",
		"/example.com/other/@v/list":     "",
		"/example.com/m/@v/nothing.info": "{}",
	}}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.asked = append(u.asked, r.URL.Path)
	u.heads = append(u.heads, r.Header.Clone())
	fault := u.fault
	content, ok := u.files[r.URL.Path]
	u.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	if !ok {
		http.Error(w, "not found: no such thing", http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, content)
}

// put has content at path from now on.
func (u *upstream) put(path, content string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[path] = content
}

func (u *upstream) setFault(f func(w http.ResponseWriter, r *http.Request) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fault = f
}

func (u *upstream) paths() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.asked...)
}

func down(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, "out of order", http.StatusServiceUnavailable)
	return true
}

func moduleZip(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("example.com/m@v1.0.0/go.mod")
	require.NoError(t, err)
	_, err = io.WriteString(f, mod)
	require.NoError(t, err)
	f, err = z.CreateHeader(&zip.FileHeader{Name: "example.com/m@v1.0.0/data", Method: zip.Store})
	require.NoError(t, err)
	_, err = io.CopyN(f, rand.Reader, int64(size))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

// withSumDB lets the upstream pass on a checksum database that knows the module,
// and returns its GOSUMDB. lie, if not empty, is the hash that it has for the zip.
func (u *upstream) withSumDB(t *testing.T, lie string) string {
	t.Helper()
	signer, key, err := note.GenerateKey(rand.Reader, "sum.example")
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "zip")
	require.NoError(t, writeFile(name, u.files["/"+stem+".zip"]))
	zipHash, err := dirhash.HashZip(name, dirhash.DefaultHash)
	require.NoError(t, err)
	if lie != "" {
		zipHash = lie
	}
	modHash, err := dirhash.DefaultHash([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(mod)), nil
	})
	require.NoError(t, err)
	db := sumdb.NewServer(sumdb.NewTestServer(signer, func(path, version string) ([]byte, error) {
		if path != "example.com/m" {
			return nil, fs.ErrNotExist
		}
		return []byte(path + " " + version + " " + zipHash + "\n" + path + " " + version + "/go.mod " + modHash + "\n"), nil
	}))
	u.setFault(func(w http.ResponseWriter, r *http.Request) bool {
		path, ok := strings.CutPrefix(r.URL.Path, "/sumdb/sum.example")
		if !ok || path == "/supported" {
			return false
		}
		http.StripPrefix("/sumdb/sum.example", db).ServeHTTP(w, r)
		return true
	})
	return key
}

// account is that of one request of a rig, complete once it is served.
type account struct {
	Caller
	Account
}

// rig is a proxy with a server before it.
type rig struct {
	*httptest.Server
	proxy *Proxy
	dir   string

	mu       sync.Mutex
	accounts []*account
	served   sync.WaitGroup
	spans    byte
}

func start(t *testing.T, goproxy string, env map[string]string) *rig {
	t.Helper()
	if env == nil {
		env = map[string]string{"GOSUMDB": "off"}
	}
	g := &rig{dir: t.TempDir()}
	g.open(t, Settings{
		Dir: g.dir, GOPROXY: goproxy, Env: env,
		Timeouts: chain.Timeouts{Header: 2 * time.Second, Idle: 2 * time.Second},
	})
	return g
}

func (g *rig) open(t *testing.T, s Settings) {
	t.Helper()
	var err error
	g.proxy, err = New(t.Context(), s)
	require.NoError(t, err)
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		g.Close()
		g.proxy.Close()
	})
}

// serve gives each request a span whose trace id is its number.
func (g *rig) serve(w http.ResponseWriter, r *http.Request) {
	g.served.Add(1)
	defer g.served.Done()
	g.mu.Lock()
	n := byte(len(g.accounts) + 1)
	a := &account{Caller: Caller{
		Request: protocol.Parse(r.URL.Path), Span: exchange.Span{TraceID: exchange.TraceID{n}, SpanID: exchange.SpanID{n}}, Phases: new(phase.Clock),
	}}
	a.Phases.Start(func() exchange.Time { return exchange.Time(time.Now().UnixNano()) })
	a.Inject = func(h http.Header) exchange.Span {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.spans++
		h.Set("Traceparent", string('0'+rune(n)))
		return a.Span.Child(exchange.SpanID{100, g.spans})
	}
	g.accounts = append(g.accounts, a)
	g.mu.Unlock()
	a.Account = g.proxy.Serve(w, r, a.Caller)
}

type answer struct {
	*http.Response
	body string
}

func (g *rig) do(t *testing.T, method, path string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := g.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp, string(body)}
}

func (g *rig) get(t *testing.T, path string) answer {
	t.Helper()
	a := g.do(t, http.MethodGet, path)
	if a.StatusCode == http.StatusOK {
		assert.Equal(t, g.last().Result, cacheStatus(a.Header), "Cache-Status says what the account does: %v", a.Header["Cache-Status"])
	}
	return a
}

// cacheStatus reads our own member back.
func cacheStatus(h http.Header) exchange.CacheResult {
	var lines []exchange.Header
	for _, v := range h["Cache-Status"] {
		lines = append(lines, exchange.Header{Name: "Cache-Status", Value: v})
	}
	return cacheheader.Read(lines).Result
}

// last is the account of the latest request, when it is over.
func (g *rig) last() *account {
	g.served.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accounts[len(g.accounts)-1]
}

// cached are the files below the cache, drafts included.
func (g *rig) cached(t *testing.T) (names []string) {
	t.Helper()
	dir := filepath.Join(g.dir, "download")
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	return names
}

func assertAccount(t *testing.T, a *account, result exchange.CacheResult, attempts int) {
	t.Helper()
	assert.Equal(t, result, a.Result)
	assert.Equal(t, result == exchange.Miss, a.MissReason == "cold", a.MissReason)
	assert.Len(t, a.Attempts, attempts)
}
