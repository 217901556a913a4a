// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// event is one of recorded traffic.
type event struct {
	at      time.Duration // since the recording's start
	kind    byte          // o: a connection opens, b: a request begins, e: it ends, c: a connection closes
	conn    int
	request int    // of b and e
	command string // that made the request: job-number
	path    string
	failed  bool // of e: the answer told an error
}

// traffic reads what go commands asked for at once from one address, and which of
// them each request is of.
func traffic(t testing.TB, name string) (all []event) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var now time.Duration
	for s := bufio.NewScanner(z); s.Scan(); {
		var e event
		var micro int64
		_, err := fmt.Sscanf(s.Text(), "%d %c %d %d %s %s", &micro, &e.kind, &e.conn, &e.request, &e.command, &e.path)
		if e.kind == 'b' {
			require.NoError(t, err)
		}
		if e.kind == 'e' {
			e.failed, e.command = e.command != "", "" // there is the status where it isn't 200
		}
		now += time.Duration(micro) * time.Microsecond
		e.at = now
		all = append(all, e)
	}
	require.NotEmpty(t, all)
	return all
}

// score says how well sessions are the commands.
type score struct {
	commands, sessions, exact int
	precision, recall         float64
}

func (s score) String() string {
	return fmt.Sprintf("%d commands, %d sessions, %d exactly, pair precision %.3f, recall %.3f", s.commands, s.sessions, s.exact, s.precision, s.recall)
}

// judge compares the commands with the sessions of requests.
func judge(truth []string, said []exchange.TraceID) (s score) {
	type both struct {
		command string
		session exchange.TraceID
	}
	cells, commands, sessions := map[both]int{}, map[string]int{}, map[exchange.TraceID]int{}
	for i := range truth {
		cells[both{truth[i], said[i]}]++
		commands[truth[i]]++
		sessions[said[i]]++
	}
	var same, ofCommands, ofSessions int
	for c, n := range cells {
		same += n * (n - 1) / 2
		if n == commands[c.command] && n == sessions[c.session] {
			s.exact++
		}
	}
	for _, n := range commands {
		ofCommands += n * (n - 1) / 2
	}
	for _, n := range sessions {
		ofSessions += n * (n - 1) / 2
	}
	s.commands, s.sessions = len(commands), len(sessions)
	s.precision, s.recall = float64(same)/float64(max(1, ofSessions)), float64(same)/float64(max(1, ofCommands))
	return s
}

// replay plays traffic to a table, and returns whose each request is and the session
// that was chosen.
func replay(table *Table, all []event) (truth []string, said []exchange.TraceID) {
	conns, uses := map[int]*Conn{}, map[int]Use{}
	key := Key{Address: netip.MustParseAddr("192.0.2.1"), UserAgent: "Go-http-client/1.1"}
	for _, e := range all {
		now := at(e.at)
		switch e.kind {
		case 'o':
			conns[e.conn] = table.Connected(now, key.Address)
		case 'c':
			conns[e.conn].Closed(now)
		case 'b':
			key.Conn, key.Request = conns[e.conn], goproxy.Parse(e.path)
			_, s, use := table.Choose(now, key, none)
			uses[e.request] = use
			truth, said = append(truth, e.command), append(said, s.ID)
		case 'e':
			if e.failed {
				uses[e.request].Failed()
			}
			uses[e.request].Done(now)
		}
	}
	return truth, said
}

// shifted is the traffic with each job (two commands, one after the other) begun at
// another time, as much as spread earlier or later.
func shifted(all []event, spread time.Duration, r *rand.Rand) []event {
	jobs, by := map[int]string{}, map[string]time.Duration{}
	for _, e := range all {
		if e.kind == 'b' {
			jobs[e.conn], _, _ = strings.Cut(e.command, "-")
			by[jobs[e.conn]] = 0
		}
	}
	for _, job := range slices.Sorted(maps.Keys(by)) {
		by[job] = spread + time.Duration(r.Int64N(int64(2*spread))) - spread
	}
	var out []event
	for _, e := range all {
		if job, used := jobs[e.conn]; used {
			e.at += by[job]
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return out
}

// TestCommandsBehindOneAddress: 40 go commands of 20 CI jobs, started 0.45 s apart,
// over HTTP/1.1 from one address, are told apart when their requests arrive. On
// machines with two processors, as most runners have, each command has two connections
// at once; with up to twelve it has many more, and some are given to another one.
func TestCommandsBehindOneAddress(t *testing.T) {
	for name, least := range map[string]score{
		"cpus2":          {exact: 33, precision: 0.95, recall: 0.95},
		"cpus2-fresh":    {exact: 33, precision: 0.95, recall: 0.95},
		"cpus2-12":       {exact: 26, precision: 0.9, recall: 0.9},
		"cpus2-12-fresh": {exact: 23, precision: 0.9, recall: 0.85},
	} {
		t.Run(name, func(t *testing.T) {
			all := traffic(t, name)
			truth, said := replay(NewTable(settings, nil), all)
			got := judge(truth, said)
			t.Log(got)
			assert.GreaterOrEqual(t, got.exact, least.exact)
			assert.GreaterOrEqual(t, got.precision, least.precision)
			assert.GreaterOrEqual(t, got.recall, least.recall)

			const seeds = 20
			var sum score
			for seed := range uint64(seeds) {
				table := NewTable(settings, nil)
				got := judge(replay(table, shifted(all, 2*time.Second, rand.New(rand.NewPCG(seed, 8)))))
				sum.exact, sum.precision, sum.recall = sum.exact+got.exact, sum.precision+got.precision/seeds, sum.recall+got.recall/seeds
				assert.Zero(t, later(table, at(time.Hour)).Len(), "what is over is forgotten")
			}
			t.Logf("shifted at random: %.1f of 40 exactly, pair precision %.3f, recall %.3f", float64(sum.exact)/seeds, sum.precision, sum.recall)
			assert.GreaterOrEqual(t, sum.exact, (least.exact-5)*seeds)
			assert.GreaterOrEqual(t, sum.precision, least.precision-0.06)
			assert.GreaterOrEqual(t, sum.recall, least.recall-0.05)
		})
	}
}

// delayed is the traffic as a busy machine sees it: every pause lasts up to eight times
// as long, and each connection's events come up to most later, in their order.
func delayed(all []event, most time.Duration, r *rand.Rand) []event {
	out := slices.Clone(all)
	latest := map[int]time.Duration{}
	var now, before time.Duration
	for i := range out {
		e := &out[i]
		now, before = now+time.Duration((1+7*r.Float64())*float64(e.at-before)), e.at
		e.at = max(now+time.Duration(r.Int64N(int64(most))), latest[e.conn])
		latest[e.conn] = e.at
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return out
}

// TestACommandAloneIsOneSession: however slow the machine is and however many
// connections it has, as there is no proof of another one.
func TestACommandAloneIsOneSession(t *testing.T) {
	for _, name := range []string{"alone", "alone-more"} {
		all := traffic(t, name)
		for seed := range uint64(50) {
			played := all
			if seed > 0 {
				r := rand.New(rand.NewPCG(seed, 1))
				played = delayed(all, 20*time.Millisecond, r)
			}
			got := judge(replay(NewTable(settings, nil), played))
			require.Equal(t, 1, got.sessions, "%s, seed %d: %v", name, seed, got)
		}
	}
}

// TestAnyCommandAloneIsOneSession: of all that are recorded, each as if the others hadn't
// run, unless it is quiet for so long that its connections might be another one's.
func TestAnyCommandAloneIsOneSession(t *testing.T) {
	names, err := filepath.Glob("testdata/*.gz")
	require.NoError(t, err)
	commands := 0
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".gz")
		by := byCommand(traffic(t, name))
		for _, command := range slices.Sorted(maps.Keys(by)) {
			all := by[command]
			played := delayed(all, 5*time.Millisecond, rand.New(rand.NewPCG(uint64(commands), 2)))
			for i, events := range [][]event{all, played} {
				if quiet(events) < gap {
					commands++
					got := judge(replay(NewTable(settings, nil), events))
					assert.Equal(t, 1, got.sessions, "%s, %s, %d: %v", name, command, i, got)
				}
			}
		}
	}
	assert.Greater(t, commands, 200)
}

// byCommand is the traffic of each command.
func byCommand(all []event) map[string][]event {
	of, by := map[int]string{}, map[string][]event{}
	for _, e := range all {
		if e.kind == 'b' {
			of[e.conn] = e.command
		}
	}
	for _, e := range all {
		if command, used := of[e.conn]; used {
			by[command] = append(by[command], e)
		}
	}
	return by
}

// quiet returns the longest time in which no request begins or ends.
func quiet(all []event) (longest time.Duration) {
	latest := all[0].at
	for _, e := range all {
		if e.kind == 'b' || e.kind == 'e' {
			longest, latest = max(longest, e.at-latest), e.at
		}
	}
	return longest
}
