// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/session"
)

// model is a proxy between two taps, as a simulation that knows its own storage.
// Its times are drawn so that everything that can overlap does.
type model struct {
	whole    bool // a miss fetches all of the version, one file after the other
	single   bool // one fetch at a time; others wait for it
	passes   bool // it passes the trace context on
	ttl      time.Duration
	renews   bool // it answers from what has expired and renews it in the background
	held     bool // and holds that answer back until it is renewed
	word     bool // it says what its cache did
	keeps    bool // it keeps header lines, and answers with them
	workers  int  // how many requests it looks at at once, in their order; zero: all
	pause    int  // between requests, in ms on average; zero: 8
	spawns   bool // it starts a program for each download
	past     func(version int) bool
	dials    bool // it asks the checksum database past us
	full     bool // it was there before us
	deletes  int  // one in so many requests is followed by a deletion; zero: none
	versions int
}

type sim struct {
	model
	*rand.Rand
	now     exchange.Time
	events  events
	flights session.InFlight
	records []exchange.Record
	ids     uint64
	seq     int
	stored  map[string]exchange.Time
	marks   map[string]exchange.SpanID // of the fetches that brought what is stored
	fetched map[string]exchange.SpanID // the last fetches, by what they brought
	loading map[string]*download
	busy    int
	queue   []func()
	truth   map[uint64]string
}

type download struct{ waiting []func() }

type event struct {
	at  exchange.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	x := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return x
}

func (s *sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now.Add(d), s.seq, do})
}

// short and long draw times: of a look into the storage, and of an upstream.
func (s *sim) short() time.Duration {
	d := time.Duration(50+s.IntN(1500)) * time.Microsecond
	if s.IntN(100) == 0 {
		d *= 18 // no processor was free
	}
	return d
}

func (s *sim) long() time.Duration {
	return []time.Duration{3, 20, 120}[s.IntN(3)]*time.Millisecond + s.short()
}

func (s *sim) add(r exchange.Record) {
	r.Time = s.now
	s.records = append(s.records, r)
}

func (s *sim) fresh(path string) bool {
	at, ok := s.stored[path]
	return ok && (s.ttl == 0 || s.now.Sub(at) <= s.ttl)
}

func (s *sim) ask(path string) {
	s.ids++
	id, r, hop := s.ids, goproxy.Parse(path), session.NewSpanID()
	b := &exchange.Begin{ID: id, Time: s.now, Method: "GET", Path: path, Request: goproxy.Parse(path), Span: session.Continue(exchange.Span{})}
	s.add(exchange.Record{Kind: exchange.KindBegin, Begin: b})
	w := s.flights.Begin(b.Span, exchange.Session{}, r, hop)
	answer := func(truth, word string, mark exchange.SpanID) {
		s.after(s.short(), func() {
			s.truth[id] = truth
			w.Answered()
			e := &exchange.End{ID: id, FirstByte: s.now, Status: 200}
			if s.word {
				e.Cache.Headers = []exchange.Header{{Name: "X-Cache-Status", Value: word}}
			}
			if s.keeps && mark != (exchange.SpanID{}) {
				e.Cache.Headers = append(e.Cache.Headers, exchange.Header{Name: "Cache-Status", Value: cacheheader.Mark("egress", mark)})
			}
			s.after(s.short(), func() {
				e.Time = s.now
				s.add(exchange.Record{Kind: exchange.KindEnd, Time: s.now, End: e})
			})
		})
	}
	remote := exchange.Span{}
	if s.passes {
		remote = exchange.Span{TraceID: b.Span.TraceID, SpanID: hop}
	}
	s.after(s.short(), func() {
		arrival := s.now
		s.queue = append(s.queue, func() {
			s.serve(path, r, remote, func(truth, word string, mark exchange.SpanID) {
				if truth == "hit" && s.stored[path] > arrival {
					truth = "came while it waited for a worker"
				}
				answer(truth, word, mark)
				s.busy--
				s.work()
			})
		})
		s.work()
	})
}

// work lets those who wait for a worker have one.
func (s *sim) work() {
	for len(s.queue) > 0 && (s.workers == 0 || s.busy < s.workers) {
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.busy++
		next()
	}
}

func (s *sim) serve(path string, r goproxy.Request, remote exchange.Span, answer func(truth, word string, mark exchange.SpanID)) {
	_, had := s.stored[path]
	if s.fresh(path) {
		answer("hit", "HIT", s.marks[path])
		return
	}
	key := path
	if s.whole && r.Operation != goproxy.SumDB {
		key = fmt.Sprint(r.Module, r.Version)
	}
	if d := s.loading[key]; d != nil && s.single {
		if had && s.renews {
			answer("stale", "UPDATING", s.marks[path])
		} else {
			d.waiting = append(d.waiting, func() { answer("coalesced", "HIT", s.marks[path]) })
		}
		return
	}
	truth, word := "miss", "MISS"
	if had {
		word = "EXPIRED"
	}
	d := new(download)
	s.loading[key] = d
	if had && s.renews {
		truth, word = "stale", "STALE"
		if !s.held {
			answer(truth, word, s.marks[path])
		}
	}
	old := s.marks[path]
	files := []string{path}
	if s.whole && r.Operation != goproxy.SumDB {
		stem := path[:len(path)-len(r.Operation.String())]
		files = []string{stem + "info", stem + "mod", stem + "zip"}
	}
	past := r.Operation == goproxy.SumDB && s.dials || s.past != nil && r.Version != "" && s.past(int(r.Version[len(r.Version)-1]))
	if past {
		truth = "past us"
	}
	spawn := time.Duration(0)
	if s.spawns {
		spawn = time.Duration(12+s.IntN(30)) * time.Millisecond
	}
	s.after(spawn, func() {
		s.load(files, fmt.Sprint("conn", s.ids), remote, past, func() {
			for _, f := range files {
				s.stored[f] = s.now
				s.marks[f] = s.fetched[f]
			}
			delete(s.loading, key)
			if truth != "stale" {
				answer(truth, word, s.marks[path])
			} else if s.held {
				answer(truth, word, old)
			}
			for _, w := range d.waiting {
				w()
			}
		})
	})
}

// load fetches files one after the other, and stores them.
func (s *sim) load(files []string, conn string, remote exchange.Span, past bool, done func()) {
	if len(files) == 0 {
		s.after(time.Duration(50+s.IntN(1500))*time.Microsecond, done) // the goroutine that answers, too
		return
	}
	took := s.long()
	s.after(s.short(), func() {
		if past {
			s.after(took, func() { s.load(files[1:], conn, remote, past, done) })
			return
		}
		s.ids++
		cause := s.flights.Cause(conn, remote, goproxy.Parse(files[0]))
		b := &exchange.Begin{ID: s.ids, Time: s.now, Method: "GET", Side: exchange.Egress, Path: files[0], Request: goproxy.Parse(files[0]), Candidates: cause.Candidates}
		b.Span, _, b.Cause = session.Under(cause, remote)
		s.fetched[files[0]] = b.Span.SpanID
		s.add(exchange.Record{Kind: exchange.KindBegin, Begin: b})
		s.after(took, func() {
			e := &exchange.End{ID: b.ID, FirstByte: s.now, Status: 200}
			s.after(s.short(), func() {
				e.Time = s.now
				s.add(exchange.Record{Kind: exchange.KindEnd, End: e})
			})
			s.after(s.short(), func() { s.load(files[1:], conn, remote, past, done) })
		})
	})
}

// show tells what went on around an exchange.
func (s *sim) show(id uint64) (out string) {
	var b *exchange.Begin
	for _, r := range s.records {
		if r.Kind == exchange.KindBegin && r.Begin.ID == id {
			b = r.Begin
		}
	}
	k := goproxy.Parse(b.Path)
	mine := map[uint64]bool{}
	for _, r := range s.records {
		if d := r.Time.Sub(b.Time); d < -400*time.Millisecond || d > 400*time.Millisecond {
			continue
		}
		switch r.Kind {
		case exchange.KindBegin:
			o := goproxy.Parse(r.Begin.Path)
			if o.Module == k.Module && o.Version == k.Version && o.Tile == k.Tile {
				mine[r.Begin.ID] = true
				out += fmt.Sprintf("%8.1f %s %d begin %s cause %x\n", r.Time.Sub(b.Time).Seconds()*1000, r.Begin.Side, r.Begin.ID, r.Begin.Path, r.Begin.Cause[:2])
				out += fmt.Sprintf("           span %x\n", r.Begin.Span.SpanID[:2])
			}
		case exchange.KindEnd:
			if mine[r.End.ID] {
				out += fmt.Sprintf("%8.1f %d end, first byte %.1f truth %s\n", r.Time.Sub(b.Time).Seconds()*1000, r.End.ID, r.End.FirstByte.Sub(b.Time).Seconds()*1000, s.truth[r.End.ID])
			}
		}
	}
	return fmt.Sprint("--- ", id, "\n", out)
}

// run lets clients ask n times and returns what was said of each truth.
func (s *sim) run(n int) map[string]map[string]int {
	paths := func() string {
		v := s.IntN(s.versions)
		if s.IntN(4) == 0 {
			return []string{
				fmt.Sprintf("/sumdb/sum.golang.org/lookup/example.com/m%d@v1.0.%d", v/3, v%3),
				fmt.Sprintf("/sumdb/sum.golang.org/tile/8/0/%03d", v),
			}[s.IntN(2)]
		}
		return fmt.Sprintf("/example.com/m%d/@v/v1.0.%d.%s", v/3, v%3, []string{"info", "mod", "zip"}[s.IntN(3)])
	}
	if s.full {
		for range 2 * s.versions {
			s.stored[paths()] = 1
		}
	}
	s.now = exchange.Time(time.Hour)
	s.add(exchange.Record{Kind: exchange.KindStart, Start: exchange.Start{Run: "a"}})
	at := time.Duration(0)
	for range n {
		at += time.Duration(s.IntN(2*cmp.Or(s.pause, 8))) * time.Millisecond
		path := paths()
		for range 1 + max(0, s.IntN(8)-5) { // some ask together
			s.after(at, func() { s.ask(path) })
		}
		if s.deletes > 0 && s.IntN(s.deletes) == 0 {
			s.after(at, func() { delete(s.stored, paths()) })
		}
	}
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	s.now = s.now.Add(time.Hour)
	s.add(exchange.Record{Kind: exchange.KindTick})

	said := map[string]map[string]int{}
	settler := cache.NewSettler(2*time.Second, cache.JoinSettings{Egress: true, Mark: "egress", Memory: 24 * time.Hour}, func(x cache.Settled) {
		if x.Begin.Side == exchange.Egress {
			return
		}
		truth := s.truth[x.Begin.ID]
		if goproxy.Parse(x.Begin.Path).Operation == goproxy.SumDB {
			truth = "sumdb " + truth
		}
		if said[truth] == nil {
			said[truth] = map[string]int{}
		}
		said[truth][string(x.Verdict.Result)]++
		if key := os.Getenv("SHOW"); key != "" && key == truth+" "+string(x.Verdict.Result) {
			fmt.Println(s.show(x.Begin.ID))
		}
		if x.Verdict.MissReason == "cold" || x.Verdict.MissReason == "evicted" && s.deletes == 0 {
			said[truth]["reason "+x.Verdict.MissReason]++
		}
	})
	for _, r := range s.records {
		settler.Add(r)
	}
	return said
}

// right are the results that are no mistake, beside unknown. Of several that wait
// for one download, which one is told as its cause is a matter of words.
var right = map[string][]string{
	"hit": {"hit"}, "miss": {"miss", "coalesced"}, "coalesced": {"coalesced", "miss"}, "stale": {"stale"}, "past us": {"miss"},
	"came while it waited for a worker": {"hit", "coalesced", "miss"},
}

// TestNeverWrong holds verdicts against the storage of simulated proxies: no wrong one,
// and few that are unknown where they can be known.
func TestNeverWrong(t *testing.T) {
	athens := model{spawns: true, whole: true, single: true, dials: true, deletes: 20}
	goproxy := model{whole: true, dials: true, deletes: 20}
	nginx := model{single: true, passes: true, word: true, deletes: 20}
	with := func(m model, change func(*model)) model { change(&m); return m }
	anyPast := func(v int) bool { return v%3 == 1 }
	for _, tt := range []struct {
		name    string
		model   model
		unknown float64 // of files, at most
	}{
		{"athens", athens, 0.025},
		{"athens with few workers", with(athens, func(m *model) { m.workers = 4 }), 0.1},
		{"athens with one worker", with(athens, func(m *model) { m.workers, m.pause = 1, 40 }), 0.5},
		{"goproxy", goproxy, 0.02},
		{"nginx", nginx, 0.04},
		{"nginx that says nothing", with(nginx, func(m *model) { m.word, m.deletes = false, 0 }), 0.03},
		{"nginx that keeps header lines", with(nginx, func(m *model) { m.word, m.keeps = false, true }), 0.04},
		{"case W6: background, silent, keeps header lines", with(nginx, func(m *model) { m.ttl, m.renews, m.word, m.keeps = 300*time.Millisecond, true, false, true }), 0.45},
		{"case W6: background, silent, held, keeps header lines", with(nginx, func(m *model) {
			m.ttl, m.renews, m.held, m.word, m.keeps = 300*time.Millisecond, true, true, false, true
		}), 0.3},
		{"case W5: athens with a mirror", with(athens, func(m *model) { m.past = anyPast }), 1},
		{"case W5: goproxy with a mirror", with(goproxy, func(m *model) { m.past = anyPast }), 1},
		{"case W5: nginx with a mirror", with(nginx, func(m *model) { m.past = anyPast; m.word = false; m.deletes = 0 }), 1},
		{"case W5: all past us", with(athens, func(m *model) { m.past = func(int) bool { return true } }), 1},
		{"case W6: background", with(nginx, func(m *model) { m.ttl, m.renews = 300*time.Millisecond, true }), 0.1},
		{"case W6: background, held", with(nginx, func(m *model) { m.ttl, m.renews, m.held = 300*time.Millisecond, true, true }), 0.1},
		{"case W6: background, silent", with(nginx, func(m *model) { m.ttl, m.renews, m.word = 300*time.Millisecond, true, false }), 1},
		{"case W6: background, silent, held", with(nginx, func(m *model) { m.ttl, m.renews, m.held, m.word = 300*time.Millisecond, true, true, false }), 1},
		{"athens, full before", with(athens, func(m *model) { m.full = true }), 0.2},
		{"nginx, full before", with(nginx, func(m *model) { m.full = true }), 0.04},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wrong, unknown, files := 0, 0, 0
			for seed := range uint64(5) {
				s := &sim{model: tt.model, Rand: rand.New(rand.NewPCG(seed, 11)), stored: map[string]exchange.Time{}, marks: map[string]exchange.SpanID{}, fetched: map[string]exchange.SpanID{}, loading: map[string]*download{}, truth: map[uint64]string{}}
				s.versions = 100
				said := s.run(3000)
				for truth, results := range said {
					sum, sumdb := truth, false
					if len(sum) > 6 && sum[:6] == "sumdb " {
						sum, sumdb = sum[6:], true
					}
					for result, n := range results {
						switch {
						case result == "" && sumdb:
						case result == "unknown":
							unknown += n
						case !slices.Contains(right[sum], result):
							wrong += n
							t.Logf("seed %d: %s told %s: %d", seed, truth, result, n)
						}
						if !sumdb {
							files += n
						}
					}
				}
				if seed == 0 {
					t.Log(said)
				}
			}
			t.Logf("%d files: %d wrong, %.2f %% unknown", files, wrong, 100*float64(unknown)/float64(files))
			assert.Zero(t, wrong)
			assert.LessOrEqual(t, float64(unknown)/float64(files), tt.unknown)
		})
	}
}
