// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// versions are those of each module below example.com; main is a branch of it.
var versions = []string{"v1.0.0", "v1.1.0", "v1.2.0"}

const newest = "v1.2.0"

// failure is a way in which the origin fails.
type failure string

const (
	slow   failure = "slow"  // for delay
	broken failure = "500"   // a status
	reset  failure = "reset" // no answer
	half   failure = "half"  // half an answer
	hang   failure = "hang"  // no answer until the client leaves
)

type fault struct {
	failure failure
	delay   time.Duration
}

// origin is a GOPROXY with generated modules and their checksum database, which it also serves where https://<its name> is.
type origin struct {
	url     string
	gosumdb string // with the key
	name    string // of the database: its own address
	roots   string // file with the certificate of that address

	dir    string // for zips that are hashed
	sums   http.Handler
	mu     sync.Mutex
	faults map[string]fault  // by module path, or by "list of " + module path
	files  map[string][]byte // zips, by module@version
}

func newOrigin(tb testing.TB, seen *record) *origin {
	tb.Helper()
	o := &origin{dir: tb.TempDir(), faults: map[string]fault{}, files: map[string][]byte{}}
	database := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/sumdb/" + o.name + r.URL.Path
		v := seen.arrive(atDatabase, r, look{})
		defer seen.end(v, true)
		o.serve(w, r)
		seen.answer(v, http.StatusOK, look{})
	}))
	o.name = database.Listener.Addr().String()
	signer, key, err := note.GenerateKey(rand.Reader, o.name)
	require.NoError(tb, err)
	o.gosumdb = key
	o.sums = http.StripPrefix("/sumdb/"+o.name, sumdb.NewServer(sumdb.NewTestServer(signer, o.lines)))
	database.StartTLS()
	tb.Cleanup(database.Close)
	o.roots = filepath.Join(o.dir, "roots.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: database.Certificate().Raw})
	require.NoError(tb, os.WriteFile(o.roots, certificate, 0o600))
	server := httptest.NewServer(http.HandlerFunc(o.serve))
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	o.url = server.URL
	return o
}

// fail lets a module's files fail, or its list ("list of " before the path), until mend.
func (o *origin) fail(what string, f fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults[what] = f
}

func (o *origin) mend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.faults)
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	if inside, ok := strings.CutPrefix(r.URL.Path, "/sumdb/"+o.name); ok {
		if inside != "/supported" {
			o.sums.ServeHTTP(w, r)
		}
		return
	}
	dir, file := filepath.Split(r.URL.Path)
	path, err := module.UnescapePath(strings.Trim(strings.TrimSuffix(strings.TrimSuffix(dir, "/"), "/@v"), "/"))
	if err != nil {
		http.Error(w, "not found: "+err.Error(), http.StatusNotFound)
		return
	}
	content := o.file(path, file)
	what := path
	if file == "list" || file == "@latest" {
		what = "list of " + path
	}
	o.mu.Lock()
	f := o.faults[what]
	o.mu.Unlock()
	switch f.failure {
	case slow:
		time.Sleep(f.delay)
	case broken:
		http.Error(w, "the origin's disk is broken", http.StatusInternalServerError)
		return
	case reset:
		panic(http.ErrAbortHandler)
	case hang:
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case half:
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:len(content)/2])
		panic(http.ErrAbortHandler)
	}
	if content == nil {
		http.Error(w, "not found: "+r.URL.Path, http.StatusNotFound)
		return
	}
	sum := sha256.Sum256(content)
	w.Header().Set("Etag", `"`+hex.EncodeToString(sum[:8])+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// file returns a file of a module; nil: there is none.
func (o *origin) file(path, file string) []byte {
	if !strings.HasPrefix(path, "example.com/") || strings.Contains(path, "missing") {
		return nil
	}
	switch file {
	case "list":
		return []byte(strings.Join(versions, "\n") + "\n")
	case "@latest", "main.info", "v1.info":
		return info(newest)
	}
	for _, version := range versions {
		switch file {
		case version + ".info":
			return info(version)
		case version + ".mod":
			return []byte(gomod(path))
		case version + ".zip":
			return o.zip(path, version)
		}
	}
	return nil
}

func info(version string) []byte {
	return fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, version)
}

func gomod(path string) string { return "module " + path + "\n" }

// zip makes a module's zip, of 1 to 300 KB.
func (o *origin) zip(path, version string) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := path + "@" + version
	if content := o.files[name]; content != nil {
		return content
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, name)
	random := mathrand.New(mathrand.NewPCG(hash.Sum64(), 0)) //nolint:gosec // for sizes
	data := make([]byte, 1<<10+random.IntN(1<<(10+random.IntN(9))))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, f := range []struct{ name, content string }{{"go.mod", gomod(path)}, {"m.go", "package m\n"}, {"data.bin", string(data)}} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name + "/" + f.name, Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, f.content)
		}
		if err != nil {
			panic(err) // into memory
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	o.files[name] = buf.Bytes()
	return o.files[name]
}

// lines are those of the checksum database for a version.
func (o *origin) lines(path, version string) ([]byte, error) {
	content := o.file(path, version+".zip")
	if content == nil {
		return nil, fs.ErrNotExist
	}
	f, err := os.CreateTemp(o.dir, "*.zip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	whole, err := dirhash.HashZip(f.Name(), dirhash.DefaultHash)
	if err != nil {
		return nil, err
	}
	mod, err := dirhash.DefaultHash([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(gomod(path))), nil
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", path, version, whole, mod), nil
}

// mirror is a GOPROXY that has only what keep lets through, of the same modules.
func (o *origin) mirror(tb testing.TB, keep func(path string) bool) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !keep(r.URL.Path) {
			http.Error(w, "not found: not in this mirror", http.StatusNotFound)
			return
		}
		o.serve(w, r)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}
