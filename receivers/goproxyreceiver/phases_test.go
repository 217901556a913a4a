// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	modzip "archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/modtap/modtap/internal/exchange"
)

// slowness is what an upstream and a client do to the requests for one zip.
type slowness struct {
	header   time.Duration // the upstream thinks
	chunk    time.Duration // it pauses in the middle of its body, so often
	chunks   int
	failures int32         // so often it says 503 first
	read     time.Duration // the client pauses once it has the header
	clients  int           // at once
	leaves   time.Duration // the client gives up; zero: it doesn't
}

// generate makes a slowness that takes some tenths of a second.
func generate(seed uint64) slowness {
	rnd := rand.New(rand.NewPCG(seed, 11))
	ms := func(n int) time.Duration { return time.Duration(rnd.IntN(n)) * time.Millisecond }
	s := slowness{header: ms(120), clients: 1}
	switch seed % 6 {
	case 1:
		s.chunk, s.chunks = 10*time.Millisecond+ms(40), 1+rnd.IntN(6)
	case 2:
		s.failures = 1 + int32(rnd.IntN(2))
	case 3:
		s.read = 150*time.Millisecond + ms(200)
	case 4:
		s.clients, s.header = 2+rnd.IntN(5), 100*time.Millisecond+ms(100)
	case 5:
		s.header, s.leaves = time.Second, 80*time.Millisecond+ms(100)
	}
	return s
}

// zipOf is a module zip of size bytes that don't compress.
func zipOf(t testing.TB, module string, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := modzip.NewWriter(&b)
	f, err := z.CreateHeader(&modzip.FileHeader{Name: module + "@v1.0.0/data", Method: modzip.Store})
	require.NoError(t, err)
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{byte(size)}), size)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// slowOrigin serves content at each of its paths, as slowly as it says.
func slowOrigin(t testing.TB, content []byte, of map[string]*slowness) string {
	failed := make(map[string]*atomic.Int32)
	for path := range of {
		failed[path] = new(atomic.Int32)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := of[r.URL.Path]
		if s == nil {
			http.NotFound(w, r)
			return
		}
		if failed[r.URL.Path].Add(1) <= s.failures {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		time.Sleep(s.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		rest, part := content, len(content)/(s.chunks+1)+1
		for len(rest) > 0 {
			n := min(part, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				return
			}
			if rest = rest[n:]; len(rest) > 0 {
				w.(http.Flusher).Flush()
				time.Sleep(s.chunk)
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// download asks as s says, on connections with small buffers.
func download(t testing.TB, url string, s *slowness) {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		}
		return c, err
	}
	var all sync.WaitGroup
	for range s.clients {
		all.Go(func() {
			transport := &http.Transport{DialContext: dial, TLSClientConfig: insecure(), ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			client := http.Client{Transport: transport, Timeout: s.leaves}
			resp, err := client.Get(url)
			if err != nil {
				assert.NotZero(t, s.leaves, err)
				return
			}
			defer resp.Body.Close()
			time.Sleep(s.read)
			_, _ = io.Copy(io.Discard, resp.Body)
		})
	}
	all.Wait()
}

// TestTheWholeIsExplained: whoever is slow, of each request above 20 ms at most a
// twentieth is in no phase, and its spans lie within it.
func TestTheWholeIsExplained(t *testing.T) {
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GONOPROXY", "none")
	content := zipOf(t, "example.com/m", 12<<20)
	for _, place := range []string{"embedded", "inline", "egress"} {
		for _, scheme := range []string{"http", "https"} {
			for seed := range uint64(6) { // one of each kind
				t.Run(fmt.Sprintf("%s %s %d", place, scheme, seed), func(t *testing.T) {
					// What is told nowhere is told nowhere each time; a machine that is slow to wake a goroutine isn't.
					var unexplained []string
					for range 5 {
						if unexplained = explainSlow(t, place, scheme, generate(seed), content); len(unexplained) == 0 || t.Failed() {
							break
						}
						t.Log(unexplained)
					}
					assert.Empty(t, unexplained)
				})
			}
		}
	}
}

// explainSlow returns what isn't explained.
func explainSlow(t *testing.T, place, scheme string, s slowness, content []byte) (unexplained []string) {
	const path = "/example.com/m/@v/v1.0.0.zip"
	origin := slowOrigin(t, content, map[string]*slowness{path: &s})
	cfg := testConfig(t, Embedded)
	cfg.GOPROXY = origin
	asked := &cfg.Ingress
	if place != "embedded" {
		cfg.Upstream = origin
	}
	if place == "egress" {
		cfg.Egress.Endpoint, asked = "127.0.0.1:0", &cfg.Egress
	}
	if scheme == "https" {
		server := configtls.NewDefaultServerConfig()
		server.CertFile, server.KeyFile = writeCertificate(t, t.TempDir(), "own")
		asked.TLS = configoptional.Some(server)
	}
	r := startReceiver(t, cfg)
	url := r.url
	if place == "egress" {
		url = r.egress
	}
	require.True(t, strings.HasPrefix(url, scheme+"://"), url)
	download(t, url+path, &s)
	if s.leaves == 0 {
		download(t, url+path, &slowness{clients: 1}) // warm, where there is a cache
	}
	all := r.exchanges(t)
	if s.leaves == 0 { // else it may leave before it was heard
		require.GreaterOrEqual(t, len(all), s.clients)
	}
	for _, got := range all {
		if text := checkExplained(t, got); text != "" {
			unexplained = append(unexplained, text)
		}
		_, coalesced := phaseOf(got, exchange.PhaseCoalesced)
		assert.Equal(t, got.log["goproxy.cache.result"] == "coalesced", coalesced, "%v", got.log)
	}
	if s.leaves == 0 && s.clients == 1 {
		checkPhases(t, place, &s, all[0])
	}
	return unexplained
}

// checkPhases compares the phases of the first request with what was done to it.
func checkPhases(t *testing.T, place string, s *slowness, got told) {
	upstream, _ := phaseOf(got, exchange.PhaseUpstream)
	if s.failures == 0 || place != "inline" {
		assert.GreaterOrEqual(t, upstream, s.header, "%v", got.log)
	}
	downloaded, _ := phaseOf(got, exchange.PhaseDownload)
	paused, _ := phaseOf(got, exchange.PhaseRetry)
	assert.Equal(t, s.failures > 0 && place != "inline", paused > 0, "%v", got.log)
	sent, _ := phaseOf(got, exchange.PhaseSend)
	assert.GreaterOrEqual(t, downloaded+sent, time.Duration(s.chunks)*s.chunk*8/10, "%v", got.log) // the rest came meanwhile
	assert.GreaterOrEqual(t, sent, s.read*7/10, "%v", got.log)
	verified, _ := phaseOf(got, exchange.PhaseVerify)
	stored, _ := phaseOf(got, exchange.PhaseStore)
	assert.Equal(t, place == "embedded", verified > 0, "%v", got.log)
	assert.Equal(t, place == "embedded", stored > 0, "%v", got.log)
}

func phaseOf(got told, p exchange.Phase) (time.Duration, bool) {
	d, ok := got.log["goproxy.phase."+p.String()+".duration"].(int64)
	return time.Duration(d), ok
}

// checkExplained wants the parts of an exchange to be no more than the whole, and its
// spans to lie within it; it returns how much less than the whole they are, if that is much.
func checkExplained(t testing.TB, got told) (unexplained string) {
	t.Helper()
	whole := time.Duration(got.log["event.duration"].(int64))
	var sum time.Duration
	for p := range exchange.Phases {
		d, _ := phaseOf(got, p)
		sum += d
	}
	assert.LessOrEqual(t, sum, whole, "%v", got.log)
	if whole > 20*time.Millisecond {
		// 3 ms are what a busy machine takes to wake a goroutine.
		if rest := whole - sum; rest > max(whole/20, 3*time.Millisecond) {
			unexplained = fmt.Sprintf("%v of %v: %v", rest, whole, got.log)
		}
		if got.log["http.response.status_code"] != nil {
			assert.Contains(t, got.log, "goproxy.first_byte.duration")
		}
	}
	begin, end := got.server.StartTimestamp(), got.server.EndTimestamp()
	for _, s := range append(got.phases, got.client...) {
		assert.LessOrEqual(t, begin, s.StartTimestamp(), s.Name())
		assert.LessOrEqual(t, s.StartTimestamp(), s.EndTimestamp(), s.Name())
		assert.LessOrEqual(t, s.EndTimestamp(), end, s.Name())
		assert.Equal(t, got.server.TraceID(), s.TraceID())
	}
	return unexplained
}
