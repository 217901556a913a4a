// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"
)

// database is the checksum database of an origin; its name is in its key.
const database = "sum.scenario.example"

// origin is the upstream whose faults are switched: a GOPROXY of modules below example.com and of toolchains, with a checksum database.
// Names of modules say what is wrong with them: tampered, slow, hanging, missing, late.
type origin struct {
	url     string
	gosumdb string
	// failing answers every request but those to the database with 500.
	failing atomic.Bool
	// slowSums delays every answer of the database but that there is one.
	slowSums atomic.Bool
}

// sumDelay is longer than the objective for files.
const sumDelay = 2700 * time.Millisecond

func newOrigin(t *testing.T) *origin {
	t.Helper()
	signer, key, err := note.GenerateKey(rand.Reader, database)
	require.NoError(t, err)
	o := &origin{gosumdb: key}
	dir := t.TempDir()
	db := sumdb.NewServer(sumdb.NewTestServer(signer, func(path, version string) ([]byte, error) { return sums(dir, path, version) }))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if inside, ok := strings.CutPrefix(r.URL.Path, "/sumdb/"+database); ok {
			o.serveSums(w, r, inside, http.StripPrefix("/sumdb/"+database, db))
			return
		}
		o.serve(w, r)
	}))
	t.Cleanup(server.Close)
	// By name, so that metrics tell it from the servers of the stack, which are addresses.
	o.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return o
}

func (o *origin) serveSums(w http.ResponseWriter, r *http.Request, inside string, db http.Handler) {
	if inside == "/supported" {
		return
	}
	if o.slowSums.Load() {
		time.Sleep(sumDelay)
	}
	db.ServeHTTP(w, r)
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	if o.failing.Load() {
		http.Error(w, "the origin's disk is broken", http.StatusInternalServerError)
		return
	}
	path, file, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/@v/")
	known := strings.HasPrefix(path, "example.com/") || path == "golang.org/toolchain"
	switch {
	case !known || strings.Contains(path, "missing"):
		http.Error(w, "not found: no such module", http.StatusNotFound)
	case strings.HasSuffix(path, "/late"): // as the official mirror says it
		http.Error(w, "not found: fetch timed out", http.StatusNotFound)
	case !found && strings.HasSuffix(path, "/@latest"):
		_, _ = io.WriteString(w, info("v1.1.0"))
	case strings.Contains(path, "hanging"):
		<-r.Context().Done()
	case file == "list":
		_, _ = io.WriteString(w, "v1.0.0\nv1.1.0\n")
	case file == "main.info":
		_, _ = io.WriteString(w, info("v1.1.0"))
	default:
		o.serveFile(w, path, file)
	}
}

func (o *origin) serveFile(w http.ResponseWriter, path, file string) {
	version := file[:max(0, strings.LastIndex(file, "."))]
	switch {
	case !strings.HasPrefix(version, "v"):
		http.Error(w, "not found: no such file", http.StatusNotFound)
	case strings.HasSuffix(file, ".info"):
		_, _ = io.WriteString(w, info(version))
	case strings.HasSuffix(file, ".mod"):
		_, _ = io.WriteString(w, gomod(path))
	case strings.HasSuffix(file, ".zip"):
		if strings.Contains(path, "slow") {
			time.Sleep(700 * time.Millisecond)
		}
		_, _ = w.Write(moduleZip(path, version))
	default:
		http.Error(w, "not found: no such file", http.StatusNotFound)
	}
}

func info(version string) string {
	return fmt.Sprintf(`{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, version)
}

func gomod(path string) string { return "module " + path + "\n" }

// moduleZip makes a module's zip: 20 KB, of one called big 400 KB.
func moduleZip(path, version string) []byte {
	size := 20 << 10
	if strings.Contains(path, "big") {
		size = 400 << 10
	}
	data := make([]byte, size)
	x := uint64(88172645463325252) // xorshift: the same bytes each time, which don't compress
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x)
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, content := range map[string][]byte{"go.mod": []byte(gomod(path)), "data.bin": data} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: path + "@" + version + "/" + name, Method: zip.Store})
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			panic(err) // into memory
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// sums are the lines of a checksum database. What is tampered has those of nothing.
func sums(dir, path, version string) ([]byte, error) {
	if !strings.HasPrefix(path, "example.com/") && path != "golang.org/toolchain" {
		return nil, fs.ErrNotExist
	}
	hash := "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" // of nothing
	if !strings.Contains(path, "tampered") {
		name := filepath.Join(dir, strings.ReplaceAll(path, "/", "_")+version+".zip")
		err := os.WriteFile(name, moduleZip(path, version), 0o600)
		if err == nil {
			hash, err = dirhash.HashZip(name, dirhash.DefaultHash)
		}
		if err != nil {
			return nil, err
		}
	}
	mod, err := dirhash.DefaultHash([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(gomod(path))), nil
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", path, version, hash, mod), nil
}
