// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// world is one proxy between the taps, with a Modtap, an origin and the numbers of one seed.
type world struct {
	t       *testing.T
	subject subject
	size    size
	random  *rand.Rand
	home    string // of the proxy

	seen   *record
	origin *origin
	proxy  *backends.Server // nil: embedded
	modtap *backends.Server
	log    string // Modtap's documents
	disk   string // the proxy's

	client, inside, egress, outside, mirror *tap

	mu      sync.Mutex
	removed map[string][]time.Time // when files of the disk were removed, by name
	number  int                    // of modules that were used
}

// config is Modtap's, but for what variables say. A failing origin fails at once, and for one request alone.
const config = `
receivers:
  goproxy:
    chain:
      retry: {max_retries: 0}
      circuit_breaker: {consecutive_failures: 1000000}
`

func newWorld(t *testing.T, s subject, seed uint64, n size) *world {
	t.Helper()
	w := &world{
		t: t, subject: s, size: n, random: rand.New(rand.NewPCG(seed, 11)), home: t.TempDir(), //nolint:gosec // for a script
		seen: new(record), removed: map[string][]time.Time{},
	}
	w.origin = newOrigin(t, w.seen)
	addresses := port.Addresses(t, 4)
	address := func(i int) string { return addresses[i] }
	dir := t.TempDir()
	w.outside = (&tap{place: atOrigin, record: w.seen}).start(t, w.origin.url)
	upstream := "embedded"
	if s.start != nil {
		w.egress = (&tap{place: atEgress, record: w.seen}).start(t, "http://"+address(1))
		w.mirror = (&tap{place: atMirror, record: w.seen}).start(t, w.origin.mirror(t, func(path string) bool { return strings.Contains(path, "/split") && strings.Contains(path, "/v1.1.0.") }))
		newRepository(t, w.home)
		w.proxy = s.start(w)
		w.disk = w.proxy.Dir
		w.inside = (&tap{place: atProxy, record: w.seen, look: w.look}).start(t, w.proxy.URL)
		upstream = w.inside.url
	} else {
		w.disk = filepath.Join(dir, "data", "goproxy", "cache", "download")
	}
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config+s.settings), 0o600))
	w.log = filepath.Join(dir, "requests.jsonl")
	env := []string{
		"MODTAP_DATA=" + filepath.Join(dir, "data"), "MODTAP_LISTEN=" + address(0), "MODTAP_METRICS_LISTEN=" + address(2), "MODTAP_HEALTH_LISTEN=" + address(3),
		"MODTAP_LOG=" + w.log, "MODTAP_UPSTREAM=" + upstream, "MODTAP_EGRESS_UPSTREAM=" + w.outside.url,
		"GOSUMDB=" + w.origin.gosumdb, "GONOSUMDB=none", "GONOPROXY=none", "GOPRIVATE=",
	}
	if s.start != nil {
		env = append(env, "MODTAP_EGRESS_LISTEN="+address(1))
	}
	args := []string{"run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", file}
	w.modtap = backends.Launch(t, "modtap", backends.Program{Path: binary}, args, env, backends.Answers("http://"+address(3)+"/ready"))
	// Each request is a trace of its own, by which its document is found.
	w.client = &tap{place: atClient, record: w.seen, mark: func(r *http.Request) {
		r.Header.Set("Traceparent", "00-"+traceOf(r.Header.Get(tokenHeader))+"-0000000000000001-01")
	}}
	if s.start == nil {
		w.client.look = w.look
	}
	w.client.start(t, "http://"+address(0))
	return w
}

// traceOf is the trace of the request with a token.
func traceOf(token string) string { return "f" + strings.Repeat("0", 31-len(token)) + token }

func (w *world) look(r *http.Request) look {
	name := w.subject.family.storage()(w.disk, r)
	if name == "" {
		return look{}
	}
	return lookAt(name)
}

// remove deletes the file that answers a path from the proxy's disk.
func (w *world) remove(path string) {
	r, err := http.NewRequest(http.MethodGet, "http://proxy"+path, http.NoBody)
	require.NoError(w.t, err)
	name := w.subject.family.storage()(w.disk, r)
	if name == "" || os.Remove(name) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removed[r.URL.Path] = append(w.removed[r.URL.Path], time.Now())
}

// document is what Modtap says of a request.
type document struct {
	Timestamp time.Time `json:"@timestamp"`
	Event     struct {
		Duration int64 `json:"duration"`
	} `json:"event"`
	Trace struct {
		ID string `json:"id"`
	} `json:"trace"`
	HTTP struct {
		Response struct {
			Status int `json:"status_code"`
		} `json:"response"`
	} `json:"http"`
	URL struct {
		Path string `json:"path"`
	} `json:"url"`
	Goproxy struct {
		Side      string `json:"side"`
		Operation string `json:"operation"`
		Outcome   string `json:"outcome"`
		Cache     struct {
			Result   string `json:"result"`
			Evidence string `json:"evidence"`
			Miss     struct {
				Reason string `json:"reason"`
			} `json:"miss"`
		} `json:"cache"`
	} `json:"goproxy"`
}

// documents returns those on requests of clients, once there is one for each request that was seen.
func (w *world) documents() []document {
	w.t.Helper()
	backends.Await(w.t, 3*time.Minute, "the end of all requests", w.seen.over)
	want := 0
	for _, v := range w.seen.visits {
		if v.place == atClient {
			want++
		}
	}
	var docs []document
	backends.Await(w.t, 3*time.Minute, "a document for each request", func() bool {
		time.Sleep(200 * time.Millisecond)
		docs = w.read()
		return len(docs) >= want
	})
	require.Len(w.t, docs, want, "documents and requests")
	return docs
}

func (w *world) read() (docs []document) {
	f, err := os.Open(w.log)
	if err != nil {
		return nil
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var d document
		if json.Unmarshal(s.Bytes(), &d) != nil {
			break // its end isn't written yet
		}
		if d.Goproxy.Side == "ingress" {
			docs = append(docs, d)
		}
	}
	return docs
}
