// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// observed is a proxy between two taps.
type observed struct {
	name string
	// start runs the proxy with its upstream at the egress and returns its URL,
	// and truth: whether it had the file that a document is about, told by its own
	// storage or log.
	start func(tb testing.TB, egress string) (url string, truth func(document) answered)
}

// answered is what a proxy itself says of a request.
type answered string

const (
	fromCache    answered = "from cache"
	afterWaiting answered = "from cache, perhaps after waiting for another's fetch" // nginx tells no more
	notFromCache answered = "not from cache"
	atTheEdge    answered = "at the moment of storing" // too near to it to tell
)

// storage watches a directory and knows when each file was there first.
type storage struct {
	mu    sync.Mutex
	first map[string]seen
}

// seen is when a file wasn't there yet, and when it was.
type seen struct{ absent, present time.Time }

// watch walks dir again and again until the test ends.
func watch(tb testing.TB, dir string) *storage {
	s := &storage{first: map[string]seen{}}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		before := time.Now()
		for {
			now := time.Now()
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					s.see(path, seen{absent: before, present: time.Now()})
				}
				return nil
			})
			before = now
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	tb.Cleanup(func() {
		close(stop)
		watching.Wait()
	})
	return s
}

func (s *storage) see(path string, at seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.first[path]; !ok {
		s.first[path] = at
	}
}

// slack is how long a request may wait for a processor before the proxy looks
// into its storage.
const slack = 50 * time.Millisecond

// had says whether a file was there when a request for it came.
func (s *storage) had(path string, d document) answered {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.first[path]
	switch {
	case !ok || d.Timestamp.Add(slack).Before(at.absent):
		return notFromCache
	case d.Timestamp.After(at.present):
		return fromCache
	}
	return atTheEdge
}

var twoSided = []observed{
	{name: "athens", start: func(tb testing.TB, egress string) (string, func(document) answered) {
		s := backends.Athens(tb, backends.AthensOptions{Goproxy: egress, GoEnv: []string{"GONOSUMDB=*", "GOSUMDB=off"}})
		files := watch(tb, s.Dir)
		return s.URL, func(d document) answered {
			name := map[string]string{"info": d.Goproxy.Module.Version + ".info", "mod": "go.mod", "zip": "source.zip"}[d.Goproxy.Operation]
			return files.had(filepath.Join(s.Dir, filepath.FromSlash(d.Goproxy.Module.Path), d.Goproxy.Module.Version, name), d)
		}
	}},
	{name: "goproxy", start: func(tb testing.TB, egress string) (string, func(document) answered) {
		s := backends.Goproxy(tb, backends.GoproxyOptions{Env: []string{"GOPROXY=" + egress, "GOSUMDB=off"}})
		files := watch(tb, s.Dir)
		return s.URL, func(d document) answered { return files.had(filepath.Join(s.Dir, filepath.FromSlash(d.URL.Path)), d) }
	}},
	{name: "nginx", start: startNginx},
}

// startNginx runs nginx with proxy_cache; its own log says what its cache did. Of
// several requests for one file it doesn't say which was which, so each line is
// a witness for one document of that file.
func startNginx(tb testing.TB, egress string) (string, func(document) answered) {
	s := backends.Nginx(tb, backends.NginxOptions{Config: `
		proxy_cache_path {{.Dir}}/cache levels=1:2 keys_zone=modules:10m max_size=10g inactive=1h use_temp_path=off;
		log_format witness '$request_uri $upstream_cache_status';
		server {
			listen 127.0.0.1:{{.Port}};
			access_log {{.Dir}}/witness.log witness;
			location / {
				proxy_pass ` + egress + `;
				proxy_http_version 1.1;
				proxy_set_header Connection "";
				proxy_cache modules;
				proxy_cache_valid 200 1h;
				proxy_cache_lock on;
				proxy_ignore_headers Cache-Control Expires;
			}
		}`})
	left := map[string]map[answered]int{} // the log's lines by path, as far as they aren't used
	read := 0
	return s.URL, func(d document) answered {
		text, err := os.ReadFile(filepath.Join(s.Dir, "witness.log"))
		require.NoError(tb, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for _, line := range lines[read:] {
			target, status, _ := strings.Cut(line, " ")
			path, err := neturl.PathUnescape(target)
			require.NoError(tb, err)
			if left[path] == nil {
				left[path] = map[answered]int{}
			}
			if status == "HIT" {
				left[path][afterWaiting]++
			} else {
				left[path][notFromCache]++
			}
		}
		read = len(lines)
		was := afterWaiting
		if d.Goproxy.Cache.Result == "miss" && left[d.URL.Path][notFromCache] > 0 || left[d.URL.Path][afterWaiting] == 0 {
			was = notFromCache
		}
		left[d.URL.Path][was]--
		return was
	}
}

// TestVerdictsOfTwoSidedTap holds every verdict on a proxy between two taps
// against what the proxy itself says: cold, warm, with 8 clients at once, and
// after a restart of Modtap.
func TestVerdictsOfTwoSidedTap(t *testing.T) {
	gomod := module(t)
	for _, o := range twoSided {
		t.Run(o.name, func(t *testing.T) {
			egress := port.Address(t)
			url, truth := o.start(t, "http://"+egress)
			env := []string{"MODTAP_UPSTREAM=" + url, "MODTAP_EGRESS_LISTEN=" + egress}
			m := start(t, env)

			c := newClient(t, m.proxy, gomod, "GOSUMDB=off")
			c.download()
			checkConfusion(t, "cold", m, truth, 0)
			c.forget()
			told := len(m.documents())
			c.download()
			checkConfusion(t, "warm", m, truth, told)

			m.stop()
			again := start(t, append(env, "MODTAP_DATA="+m.data))
			told = len(again.documents())
			c.forget()
			c.proxy = again.proxy
			c.download()
			checkConfusion(t, "warm, after a restart of Modtap", again, truth, told)
		})
		t.Run(o.name+" with 8 clients", func(t *testing.T) {
			// Which of several clients that wait for one fetch caused it can't always be known: the
			// more of them the nearer they ask to one another, up to half on an idle machine. That a
			// stored file is a hit can be.
			var least confusion
			for round := range 3 {
				egress := port.Address(t)
				url, truth := o.start(t, "http://"+egress)
				m := start(t, []string{"MODTAP_UPSTREAM=" + url, "MODTAP_EGRESS_LISTEN=" + egress})
				var clients sync.WaitGroup
				for range 8 {
					c := newClient(t, m.proxy, gomod, "GOSUMDB=off")
					clients.Go(func() {
						out, err := c.run("mod", "download")
						assert.NoError(t, err, "%s", tail(out))
					})
				}
				clients.Wait()
				c := confusionOf(t, "cold, 8 clients at once", m, truth, 0)
				if round == 0 || c.unknownFetched < least.unknownFetched {
					least = c
				}
				// A proxy that fetches in parallel and passes no trace context on lets a rare
				// answer and fetch of two clients be taken for one another's.
				if c.within(bounds{unknownCached: 0.02, unknownFetched: 0.8, wrongMiss: 0.005}) {
					return
				}
				m.stop()
			}
			assert.Fail(t, "too much is undecided or wrong in each of three rounds", "the best: %+v", least)
		})
	}
}

// checkConfusion compares the verdicts on one client from the document told on with the truth.
func checkConfusion(t *testing.T, phase string, m *modtap, truth func(document) answered, told int) {
	t.Helper()
	c := confusionOf(t, phase, m, truth, told)
	assert.True(t, c.within(bounds{unknownCached: 0.02, unknownFetched: 0.02}), "%s: %+v", phase, c)
}

// confusion is how verdicts compare with the truth, in shares.
type confusion struct {
	unknownCached   float64 // undecided, of what was certainly in the cache
	unknownFetched  float64 // undecided, of the rest
	wrongMiss       float64 // of all
	storedCoalesced float64 // certainly in the cache, of what was told as coalesced
}

// bounds are what a confusion may be at most.
type bounds struct{ unknownCached, unknownFetched, wrongMiss float64 }

func (c confusion) within(b bounds) bool {
	return c.unknownCached <= b.unknownCached && c.unknownFetched <= b.unknownFetched && c.wrongMiss <= b.wrongMiss &&
		c.storedCoalesced <= 0.1
}

// confusionOf prints the confusion matrix. A wrong hit is an error always.
func confusionOf(t *testing.T, phase string, m *modtap, truth func(document) answered, told int) confusion {
	t.Helper()
	docs := m.quiet()[told:]
	matrix := map[string]int{}
	n, cached, unknown, waited, wrongMiss := 0, 0, 0, 0, 0
	for _, d := range docs {
		g := d.Goproxy
		if g.Side != "ingress" || g.Outcome != "ok" || g.Operation != "info" && g.Operation != "mod" && g.Operation != "zip" {
			continue
		}
		n++
		was := truth(d)
		matrix[string(was)+": told "+g.Cache.Result]++
		if was == fromCache {
			cached++
		}
		switch g.Cache.Result {
		case "hit":
			assert.NotEqual(t, notFromCache, was, "%s: wrong hit: %s at %s", phase, d.URL.Path, d.Timestamp)
		case "miss":
			if was == fromCache || was == afterWaiting {
				wrongMiss++
				t.Logf("%s: wrong miss: %s at %s", phase, d.URL.Path, d.Timestamp)
			}
		case "coalesced":
			waited++
		case "unknown":
			unknown++
		default:
			assert.Fail(t, "unexpected result", "%s: %s", g.Cache.Result, d.URL.Path)
		}
	}
	require.Positive(t, n)
	unknownCached := matrix[string(fromCache)+": told unknown"]
	t.Logf("%s: %d exchanges: %v; unknown: %d of %d in the cache, %d of %d others",
		phase, n, matrix, unknownCached, cached, unknown-unknownCached, n-cached)
	share := func(part, whole int) float64 { return float64(part) / float64(max(1, whole)) }
	return confusion{
		unknownCached: share(unknownCached, cached), unknownFetched: share(unknown-unknownCached, n-cached),
		wrongMiss: share(wrongMiss, n), storedCoalesced: share(matrix[string(fromCache)+": told coalesced"], waited),
	}
}

// quiet waits until no more documents come, and returns all.
func (m *modtap) quiet() []document {
	m.tb.Helper()
	docs := m.documents()
	for same := 0; same < 2; { // Twice, as a busy machine may stand still for once.
		time.Sleep(3 * time.Second) // longer than a verdict settles
		now := m.documents()
		if same++; len(now) != len(docs) {
			same = 0
		}
		docs = now
	}
	return docs
}
