// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// origin is a GOPROXY of our own, for what the public ones can't be made to
// show: counted, slow or interrupted answers.
type origin struct {
	*httptest.Server

	mu    sync.Mutex
	files map[string][]byte
	asked map[string]int
	// headers are added to the answers for a path, errors are the texts of its 404.
	headers map[string]map[string]string
	errors  map[string]string
	// failing are paths that are answered with this status.
	failing map[string]int
	// delay is how long the second half of a .zip is held back.
	delay time.Duration
	// halves is how many first halves were sent.
	halves atomic.Int64
}

func newOrigin(tb testing.TB) *origin {
	tb.Helper()
	o := &origin{files: map[string][]byte{}, asked: map[string]int{}}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	tb.Cleanup(o.Close)
	return o
}

// add publishes v1.0.0 of a module, whose zip holds size bytes.
func (o *origin) add(tb testing.TB, module string, size int) {
	tb.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	const version = "v1.0.0"
	base := "/" + module + "/@v/" + version
	o.files[base+".info"] = fmt.Appendf(nil, `{"Version":%q,"Time":"2024-01-02T03:04:05Z"}`, version)
	o.files[base+".mod"] = []byte("module " + module + "\n")
	o.files[base+".zip"] = moduleZip(tb, module, version, size)
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked[r.URL.Path]++
	file, delay, failing := o.files[r.URL.Path], o.delay, o.failing[r.URL.Path]
	o.mu.Unlock()
	if failing != 0 {
		http.Error(w, "the origin fails", failing)
		return
	}
	for name, value := range o.headers[r.URL.Path] {
		w.Header().Set(name, value)
	}
	if file == nil {
		http.Error(w, cmp.Or(o.errors[r.URL.Path], "not found: "+r.URL.Path), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(file)))
	if path.Ext(r.URL.Path) == ".zip" && delay > 0 {
		_, _ = w.Write(file[:len(file)/2])
		w.(http.Flusher).Flush()
		o.halves.Add(1)
		time.Sleep(delay)
		file = file[len(file)/2:]
	}
	_, _ = w.Write(file)
}

func (o *origin) count(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[path]
}

// paths returns how often each path was asked for.
func (o *origin) paths() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.asked)
}

// goproxy is the environment of a Modtap whose embedded proxy asks o.
func (o *origin) goproxy() []string {
	return []string{"MODTAP_EGRESS_UPSTREAM=" + o.URL, "GOSUMDB=off", "GONOSUMDB=*"}
}

// settled waits until the log holds n documents and returns them.
func (m *modtap) settled(n int) []document {
	m.tb.Helper()
	require.Eventually(m.tb, func() bool { return len(m.documents()) >= n }, time.Minute, 50*time.Millisecond)
	return m.documents()
}
