// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// modules is how many modules the origin has.
const modules = 25

// origin is a GOPROXY server with generated modules.
type origin struct {
	*httptest.Server

	files map[string][]byte // by path
	paths []string          // of what the load asks for
	large string            // a zip above 32,767 bytes, the only one
}

func newOrigin(tb testing.TB) *origin {
	tb.Helper()
	o := &origin{files: map[string][]byte{}}
	for i := range modules {
		base := o.add(tb, fmt.Sprintf("example.com/team%d/module%02d", i%5, i), 500<<(i%6))
		for _, file := range []string{"list", "v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip"} {
			o.paths = append(o.paths, base+file)
		}
	}
	o.large = o.add(tb, "example.com/large", 40<<10) + "v1.0.0.zip"
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	tb.Cleanup(o.Close)
	return o
}

// add publishes v1.0.0 of a module with size bytes in its zip, and returns
// where its files are.
func (o *origin) add(tb testing.TB, module string, size int) (base string) {
	tb.Helper()
	base = "/" + module + "/@v/"
	o.files[base+"list"] = []byte("v1.0.0\n")
	o.files[base+"v1.0.0.info"] = []byte(`{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`)
	o.files[base+"v1.0.0.mod"] = []byte("module " + module + "\n")
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(content) // it never fails, its documentation says
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: module + "@v1.0.0/data.bin", Method: zip.Store})
	require.NoError(tb, err)
	_, err = f.Write(content)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	o.files[base+"v1.0.0.zip"] = b.Bytes()
	return base
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := o.files[r.URL.Path]
	if !ok {
		http.Error(w, "not found: "+r.URL.Path, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	_, _ = w.Write(file)
}
