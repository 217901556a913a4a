// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goproxy/spelltest"
	"github.com/modtap/modtap/test/port"
)

// witness has nothing and remembers what it was asked for, as it stood on the wire.
// It is an upstream, or the HTTP proxy before all upstreams.
type witness struct {
	*httptest.Server

	mu   sync.Mutex
	seen []asked
}

type asked struct {
	target string
	user   string
}

func newWitness(tb testing.TB) *witness {
	tb.Helper()
	w := new(witness)
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.mu.Lock()
		w.seen = append(w.seen, asked{target: r.RequestURI, user: user + ":" + password})
		w.mu.Unlock()
		http.Error(rw, "not found", http.StatusNotFound)
	}))
	tb.Cleanup(w.Close)
	return w
}

func (w *witness) all() []asked {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// wire asks for targets just as they are written, one after the other.
type wire struct {
	tb      testing.TB
	address string
	conn    net.Conn
	reader  *bufio.Reader
}

func newWire(tb testing.TB, url string) *wire {
	w := &wire{tb: tb, address: strings.TrimPrefix(url, "http://")}
	tb.Cleanup(w.close)
	return w
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// get returns the answer's status.
func (w *wire) get(target string) int {
	w.tb.Helper()
	if w.conn == nil {
		var err error
		w.conn, err = net.Dial("tcp", w.address)
		require.NoError(w.tb, err)
		w.reader = bufio.NewReader(w.conn)
	}
	require.NoError(w.tb, w.conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err := fmt.Fprintf(w.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, w.address)
	require.NoError(w.tb, err)
	resp, err := http.ReadResponse(w.reader, nil)
	require.NoError(w.tb, err, "%q", target)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(w.tb, err)
	if resp.Close {
		w.close()
	}
	return resp.StatusCode
}

// taken tells whether a server takes the target at all: what isn't one has no record.
func taken(target string) bool {
	u, err := neturl.ParseRequestURI(target)
	return err == nil && u.Host == "" && strings.HasPrefix(target, "/")
}

// public is the environment in which every upstream is reached through w.
func (w *witness) public() []string {
	return []string{"HTTP_PROXY=" + w.URL, "http_proxy=", "NO_PROXY=", "no_proxy=", "GOSUMDB=off", "GONOPROXY=none"}
}

// throughs are the ways through Modtap to upstream: environment, and where to ask.
func throughs(tb testing.TB, upstream string) map[string]func(env []string, config string) (*modtap, *wire) {
	begin := func(env []string, config string) *modtap {
		return start(tb, env, "run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", configFile(tb, config))
	}
	return map[string]func([]string, string) (*modtap, *wire){
		"forward": func(env []string, config string) (*modtap, *wire) {
			m := begin(append(env, "MODTAP_UPSTREAM="+upstream), config)
			return m, newWire(tb, m.proxy)
		},
		"egress": func(env []string, config string) (*modtap, *wire) {
			egress := port.Address(tb)
			m := begin(append(env, "MODTAP_UPSTREAM=http://127.0.0.1:9", "MODTAP_EGRESS_LISTEN="+egress, "MODTAP_EGRESS_UPSTREAM="+upstream), config)
			return m, newWire(tb, "http://"+egress)
		},
		"embedded": func(env []string, config string) (*modtap, *wire) {
			m := begin(append(env, "MODTAP_EGRESS_UPSTREAM="+upstream), config)
			return m, newWire(tb, m.proxy)
		},
	}
}

// TestSpellingsOfAPrivateModule: whatever a private module's name is written like,
// it isn't sent to the public with block, and it is told with report. What the go
// command asks for arrives as it writes it.
func TestSpellingsOfAPrivateModule(t *testing.T) {
	const secret, open = "github.com/MyCorp/secret", "/public.example/%%21cap/@v/v1.0.%d.info"
	for _, action := range []string{"block", "report"} {
		for way := range throughs(t, "") {
			t.Run("case 2, case 3: "+action+", "+way, func(t *testing.T) {
				t.Parallel()
				w := newWitness(t)
				m, client := throughs(t, "http://public.example")[way](w.public(),
					fmt.Sprintf("receivers: {goproxy: {leak_patterns: github.com/MyCorp, leak_action: %s, chain: {circuit_breaker: {consecutive_failures: 0}}}}\n", action))
				speller := spelltest.New(11)
				var targets, want []string
				for i := range 600 {
					target := speller.Module(secret)
					if i%20 == 0 {
						target = fmt.Sprintf(open, i)
						want = append(want, "http://public.example"+target)
					}
					if taken(target) {
						targets = append(targets, target)
						client.get(target)
					}
				}
				docs := m.settled(len(targets))
				require.Len(t, docs, len(targets))
				slices.SortStableFunc(docs, func(a, b document) int { return a.Timestamp.Compare(b.Timestamp) })
				var arrived []string
				told := 0
				for _, a := range w.all() {
					if spelltest.Tells(a.target, secret) {
						told++
					} else {
						arrived = append(arrived, a.target)
					}
				}
				for _, url := range want {
					assert.Contains(t, arrived, url, "byte for byte")
				}
				if action == "block" {
					assert.Zero(t, told, "nothing of it was sent")
				} else {
					assert.Positive(t, told)
				}
				found := 0
				for i, d := range docs {
					sent := slices.ContainsFunc(d.Goproxy.Upstream, func(u struct {
						URL    string `json:"url"`
						Status int    `json:"status"`
					},
					) bool {
						return spelltest.Tells(u.URL, secret)
					})
					if sent || way == "forward" && spelltest.Tells(targets[i], secret) {
						found++
						assert.Equal(t, "github.com/MyCorp", d.Goproxy.Leak.Pattern, "%q", targets[i])
						if action == "block" {
							assert.Equal(t, "refused", d.Goproxy.Outcome, "%q", targets[i])
						}
					}
				}
				t.Logf("%d targets, %d told upstream, %d of them told by Modtap", len(targets), told, found)
				assert.Positive(t, found)
			})
		}
	}
}

// TestBaseIsNeverLeft: with a base path and a password no target leads out of it.
func TestBaseIsNeverLeft(t *testing.T) {
	const base = "/api/go/repo"
	for way := range throughs(t, "") {
		t.Run("case 4, case 5: "+way, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			upstream := strings.Replace(w.URL, "http://", "http://svc:pw@", 1) + base
			_, client := throughs(t, upstream)[way](append(w.public(), "HTTP_PROXY="), "receivers: {goproxy: {chain: {circuit_breaker: {consecutive_failures: 0}}}}\n")
			speller := spelltest.New(13)
			targets := []string{"/../../../admin/tokens", "/%2e%2e/%2e%2e/%2e%2e/admin/tokens", "/..%2f..%2f..%2fadmin", "/x.y/m/@v/list", "/x.y/%21m/@v/list", "/x.y/m/@v/v1.info"}
			for range 400 {
				targets = append(targets, speller.Upward())
			}
			statuses := make(map[int]int)
			for _, target := range targets {
				if taken(target) {
					statuses[client.get(target)]++
				}
			}
			var arrived []string
			for _, a := range w.all() {
				arrived = append(arrived, a.target)
				assert.Equal(t, "svc:pw", a.user)
				for _, reading := range spelltest.Readings(a.target) {
					assert.True(t, reading == base || strings.HasPrefix(reading, base+"/"), "%q may be read as %q", a.target, reading)
				}
			}
			for _, target := range targets[3:6] {
				assert.Contains(t, arrived, base+target)
			}
			t.Logf("%v; %d arrived", statuses, len(arrived))
			if way == "forward" {
				assert.Positive(t, statuses[http.StatusBadRequest])
			} else {
				assert.Len(t, statuses, 1, "404 for all of them")
			}
		})
	}
}

// TestHTTPProxyIsAskedForTheUpstream, never for a page of its own (RFC 9112,
// section 3.2.2), whatever bytes a target has.
func TestHTTPProxyIsAskedForTheUpstream(t *testing.T) {
	for _, upstream := range []string{"http://public.example", "http://public.example/base", "http://public.example:8080/"} {
		t.Run("case 7: "+upstream, func(t *testing.T) {
			w := newWitness(t)
			m, client := throughs(t, upstream)["forward"](w.public(), "")
			var want []string
			for c := 0x21; c < 0x100; c++ {
				for _, target := range []string{"/a" + string([]byte{byte(c)}) + "b", "//a" + string([]byte{byte(c)}), "/" + string([]byte{byte(c)}) + "%2Fx?q=" + string([]byte{byte(c)})} {
					if c == 0x7f || c == '.' || c == '%' || c == '?' || c == '#' || !taken(target) {
						continue
					}
					client.get(target)
					want = append(want, strings.TrimSuffix(upstream, "/")+target)
				}
			}
			var got []string
			for _, a := range w.all() {
				got = append(got, a.target)
			}
			assert.Equal(t, want, got)
			for _, d := range m.settled(len(want)) {
				for _, u := range d.Goproxy.Upstream {
					assert.True(t, u.URL == "(URL)" || strings.HasPrefix(u.URL, strings.TrimSuffix(upstream, "/")+"/"), u.URL)
					_, err := neturl.Parse(u.URL)
					require.NoError(t, err)
				}
			}
		})
	}
}
