// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// mortal is an origin that can die and come back at the same address. Beside its
// files it has the .info of any module below example.com/cold.
type mortal struct {
	*origin
	tb      testing.TB
	address string
	server  *http.Server
	// silent is how long each answer is held back.
	silent atomic.Int64
	// busy is how many requests are answered 503.
	busy atomic.Int64
}

func newMortal(tb testing.TB) *mortal {
	tb.Helper()
	m := &mortal{origin: newOrigin(tb), tb: tb, address: port.Address(tb)}
	m.revive()
	tb.Cleanup(m.die)
	return m
}

func (m *mortal) url() string { return "http://" + m.address }

func (m *mortal) die() { _ = m.server.Close() }

func (m *mortal) revive() {
	m.tb.Helper()
	l, err := net.Listen("tcp", m.address)
	require.NoError(m.tb, err)
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = m.server.Serve(l) }() // until it dies
}

func (m *mortal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(time.Duration(m.silent.Load())):
	case <-r.Context().Done():
		return
	}
	switch {
	case m.busy.Add(-1) >= 0:
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case strings.HasPrefix(r.URL.Path, "/example.com/cold/") && path.Ext(r.URL.Path) == ".info":
		_, _ = io.WriteString(w, `{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}`)
	default:
		m.serve(w, r)
	}
}

// chained is a Modtap whose embedded proxy asks list, with a chain: block.
func chained(tb testing.TB, list, block string, env ...string) *modtap {
	tb.Helper()
	file := configFile(tb, "receivers:\n  goproxy:\n"+block)
	env = append([]string{"MODTAP_EGRESS_UPSTREAM=" + list, "GOSUMDB=off", "GONOSUMDB=*", "NO_PROXY="}, env...)
	return start(tb, env, "run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", file)
}

// load is what clients ask of one Modtap all the time.
type load struct {
	known, cold  atomic.Int64 // answered well
	failed       atomic.Int64 // of the cold ones
	wrong        sync.Map     // known files that were answered otherwise
	coldStatuses sync.Map
}

func (l *load) run(m *modtap, o *origin, paths []string, until <-chan struct{}, wg *sync.WaitGroup) {
	for worker := range 6 {
		wg.Go(func() {
			for n := worker; ; n++ {
				select {
				case <-until:
					return
				case <-time.After(3 * time.Millisecond):
				}
				p := paths[n%len(paths)]
				if worker == 0 {
					p = fmt.Sprintf("/example.com/cold/m%d/@v/v1.0.0.info", n)
				}
				a := <-getting(m.proxy + p)
				switch {
				case worker == 0 && a.status == http.StatusOK:
					l.cold.Add(1)
				case worker == 0:
					l.failed.Add(1)
					l.coldStatuses.Store(a.status, true)
				case a.status != http.StatusOK || !bytes.Equal(a.body, o.files[p]):
					l.wrong.Store(fmt.Sprint(p, " ", a.status, " ", a.err, " ", string(a.body[:min(len(a.body), 200)])), true)
				default:
					l.known.Add(1)
				}
			}
		})
	}
}

func keys(m *sync.Map) (all []any) {
	m.Range(func(k, _ any) bool {
		all = append(all, k)
		return true
	})
	return all
}

// TestElementsDieAndComeBack: under load the breaker opens, half-opens and
// closes. Nothing that the cache has fails, and behind a pipe nothing at all.
func TestElementsDieAndComeBack(t *testing.T) {
	a, b := newMortal(t), newMortal(t)
	var paths []string
	for i := range 5 {
		module := fmt.Sprintf("example.com/known%d", i)
		a.add(t, module, 1000)
		b.files["/"+module+"/@v/list"] = []byte("v1.0.0\n")
		a.files["/"+module+"/@v/list"] = b.files["/"+module+"/@v/list"]
		for _, f := range []string{"list", "v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip"} {
			paths = append(paths, "/"+module+"/@v/"+f)
		}
	}
	const block = `
    chain:
      retry: {max_retries: 1}
      circuit_breaker: {consecutive_failures: 3, open_duration: 2s}
`
	alone, piped := chained(t, a.url(), block), chained(t, a.url()+"|"+b.url(), block)
	for _, p := range paths {
		getOK(t, alone.proxy+p)
		getOK(t, piped.proxy+p)
	}
	var loads [2]load
	var wg sync.WaitGroup
	done := make(chan struct{})
	loads[0].run(alone, a.origin, paths, done, &wg)
	loads[1].run(piped, a.origin, paths, done, &wg)

	both := func(state string) {
		for _, m := range []*modtap{alone, piped} {
			m.until(`goproxy_upstream_circuit_state{goproxy_circuit_state="`+state+`"`, 1)
		}
	}
	both("closed")
	time.Sleep(time.Second)
	a.die()
	both("open")
	time.Sleep(3 * time.Second) // a probe fails meanwhile
	a.silent.Store(int64(4 * time.Second))
	a.revive()
	both("half_open")
	a.silent.Store(0)
	both("closed")
	before := loads[0].cold.Load()
	assert.Eventually(t, func() bool { return loads[0].cold.Load() > before+10 }, time.Minute, 10*time.Millisecond, "it is asked again")
	close(done)
	wg.Wait()

	for i, l := range []*load{&loads[0], &loads[1]} {
		t.Logf("%d: %d known files, %d cold ones, %d failures", i, l.known.Load(), l.cold.Load(), l.failed.Load())
		assert.Empty(t, keys(&l.wrong), "what the cache has is served")
	}
	assert.Positive(t, loads[0].failed.Load(), "what only the dead one has can't be had")
	assert.Equal(t, []any{http.StatusBadGateway}, keys(&loads[0].coldStatuses), "and is never taken for absent")
	assert.Zero(t, loads[1].failed.Load(), "a pipe goes on")
	log, err := os.ReadFile(alone.log)
	require.NoError(t, err)
	assert.Contains(t, string(log), `"circuit_open"`)
	for _, reason := range []string{"error", "circuit_open"} {
		n, found := piped.metric(`goproxy_upstream_fallthroughs_total{goproxy_upstream_reason="` + reason + `"`)
		assert.True(t, found && n > 0, reason)
	}
	_, found := alone.metric("goproxy_upstream_fallthroughs_total{")
	assert.False(t, found, "there is no other element")
}

// TestUpstreamIsAskedAgain: a moment of trouble upstream is no failure.
func TestUpstreamIsAskedAgain(t *testing.T) {
	a := newMortal(t)
	a.add(t, "example.com/m", 1000)
	a.busy.Store(2)
	m := chained(t, a.url(), "    chain: {}\n")
	getOK(t, m.proxy+"/example.com/m/@v/v1.0.0.zip")
	d := m.settled(1)[0]
	assert.Equal(t, "ok", d.Goproxy.Outcome)
	var statuses []int
	for _, u := range d.Goproxy.Upstream {
		statuses = append(statuses, u.Status)
	}
	assert.Equal(t, []int{503, 503, 200}, statuses)
}

// TestSilentUpstream: the time-out of the setting, and 504.
func TestSilentUpstream(t *testing.T) {
	a := newMortal(t)
	a.silent.Store(int64(time.Minute))
	m := chained(t, a.url(), "    chain: {response_header_timeout: 300ms}\n")
	begun := time.Now()
	status, body := get(t, m.proxy+"/example.com/cold/m/@v/v1.0.0.info")
	assert.Equal(t, http.StatusGatewayTimeout, status)
	assert.Contains(t, string(body), "timeout")
	assert.Less(t, time.Since(begun), 30*time.Second, "the upstream is silent for a minute")
	assert.Equal(t, "timeout", m.settled(1)[0].Goproxy.Outcome)
}

// TestSecuredUpstream: an authority of one's own, a client certificate and
// credentials from netrc, which nobody is told; when certificates expire is.
func TestSecuredUpstream(t *testing.T) {
	const secret = "hunter2-of-the-netrc"
	o := newOrigin(t)
	o.add(t, "example.com/m", 1000)
	cert, key := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	authorities := x509.NewCertPool()
	authorities.AddCert(pair.Leaf)
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != secret {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		o.serve(w, r)
	}))
	upstream.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	netrc := filepath.Join(t.TempDir(), "netrc")
	require.NoError(t, os.WriteFile(netrc, fmt.Appendf(nil, "machine %s login me password %s\n", upstream.Listener.Addr(), secret), 0o600))

	m := chained(t, upstream.URL, fmt.Sprintf(`
    ingress:
      tls: {cert_file: %[1]s, key_file: %[2]s}
    chain:
      tls: {ca_file: %[1]s, cert_file: %[1]s, key_file: %[2]s}
`, cert, key), "NETRC="+netrc)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}}
	defer client.CloseIdleConnections()
	for p, want := range map[string]int{"/example.com/m/@v/v1.0.0.mod": 200, "/example.com/none/@v/v1.0.0.mod": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.proxy+p, http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, want, resp.StatusCode, "%s", text)
		assert.NotContains(t, string(text), secret)
	}
	m.settled(2)
	notAfter := regexp.MustCompile(`(?m)^goproxy_tls_certificate_not_after_timestamp_seconds\{.*(listener|address)="(.*?)".*\} (\S+)`)
	assert.Eventually(t, func() bool {
		_, page := get(t, "http://"+m.metrics+"/metrics")
		of := map[string]bool{}
		for _, series := range notAfter.FindAllSubmatch(page, -1) {
			at, err := strconv.ParseFloat(string(series[3]), 64)
			left := time.Until(time.Unix(int64(at), 0))
			of[string(series[2])] = err == nil && left > 50*time.Minute && left <= time.Hour // selfSigned's are good for an hour
		}
		return maps.Equal(of, map[string]bool{"ingress": true, "127.0.0.1": true})
	}, time.Minute, 100*time.Millisecond)
	log, err := os.ReadFile(m.log)
	require.NoError(t, err)
	_, page := get(t, "http://"+m.metrics+"/metrics")
	for _, said := range []string{string(log), string(page), m.output.String()} {
		assert.NotContains(t, said, secret)
		assert.NotContains(t, said, base64.StdEncoding.EncodeToString([]byte("me:"+secret)))
	}

	// Without the credentials and without the authority there is no way in.
	status, body := get(t, chained(t, upstream.URL, "    chain: {tls: {cert_file: "+cert+", key_file: "+key+"}}\n").proxy+"/example.com/m/@v/v1.0.0.mod")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, string(body), "certificate")
}

// TestProxyEnvironment: HTTP_PROXY and NO_PROXY are honoured, and the password in
// them is told to the proxy only.
func TestProxyEnvironment(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 1000)
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		assert.Equal(t, "goproxy.example.test", r.URL.Host)
		assert.NotEmpty(t, r.Header.Get("Proxy-Authorization"))
		o.serve(w, r)
	}))
	t.Cleanup(proxy.Close)
	env := "HTTP_PROXY=" + strings.Replace(proxy.URL, "://", "://me:hunter2@", 1)
	m := chained(t, "http://goproxy.example.test", "    chain: {}\n", env)
	getOK(t, m.proxy+"/example.com/m/@v/v1.0.0.zip")
	assert.EqualValues(t, 1, asked.Load())
	d := m.settled(1)[0]
	require.Len(t, d.Goproxy.Upstream, 1)
	assert.Equal(t, "http://goproxy.example.test/example.com/m/@v/v1.0.0.zip", d.Goproxy.Upstream[0].URL)
	log, err := os.ReadFile(m.log)
	require.NoError(t, err)
	assert.NotContains(t, string(log)+m.output.String(), "hunter2")

	m = chained(t, "http://goproxy.example.test", "    chain: {}\n", env, "NO_PROXY=example.test")
	status, _ := get(t, m.proxy+"/example.com/m/@v/v1.0.0.zip")
	assert.Equal(t, http.StatusBadGateway, status, "there is no such host")
	assert.EqualValues(t, 1, asked.Load())
}
