// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"math"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// The weights of the evidence: natural logarithms of how much likelier it is where
// a new connection is a given command's than where it is the first one of another
// command. They are fitted to recorded traffic, of which testdata holds some.
const (
	wTogether    = 5.8   // accepted in the same moment as one of its connections
	wTogetherNew = 0.85  // for each one of those that came in that moment and have asked for nothing
	wMore        = 2     // scales how likely a command of this address has more connections than it has
	wRoom        = 0.7   // it had more connections at once than it has
	wFull        = -3.2  // it hadn't: at worst
	wLater       = 1     // that it has more connections than it had, later than at its beginning
	wGone        = -5    // it has no connection any more, so the command is most likely over
	wOver        = -0.75 // for each connection that came in the same moment and for which it has no room
	wIdle        = -0.45 // one of its connections was idle, the longer the less likely
	wFollows     = 6.5   // it asked for what comes before this
	wDelay       = -0.5  // the longer ago the less likely
	wAwaited     = -2    // or has no answer yet
	wNothing     = -9.4  // it didn't ask for what comes before this
	wLate        = -3    // a .mod, when it downloads modules already
	wOrder       = 1.25  // by path; as much less where it isn't
	wTaken       = 3.8   // what another command must have, for a connection that can't be its owner's to be its

	together   = 6500 * time.Microsecond
	freshFor   = 5 * time.Millisecond
	provenFor  = 10 * time.Second // for so long after a proof that several commands run that is likely
	backFor    = time.Second      // an error's text left unread, a command is back on another connection
	idleFor    = 10 * time.Millisecond
	followsFor = 6 * time.Millisecond
	youngFor   = 40 * time.Millisecond // for so long a command opens its first connections
)

// first is how likely a request is the first of a go command.
var first = [kinds]float64{isOther: 0.3, isList: 0.3, isInfo: -0.3, isMod: -0.3, isZip: -3, isSupported: -9, isLookup: -9, isTile: -10}

// maxTogether is how many connections that were accepted together count.
const maxTogether = 4

// impossible is the weight of what can't be.
const impossible = -99

// weigh returns how much more likely the connection is the command's than that of a
// new one. fresh is how many connections were accepted together with it.
func (o *Open) weigh(c *Conn, a *ask, now exchange.Time, fresh int) float64 {
	m := o.command
	if m.repeats(a, c) {
		return impossible
	}
	w := 0.0
	if len(o.conns) == 0 && !o.lost(now) && !o.ranAt(c.accepted) {
		w = wGone
	}
	if c.owner.Load() == nil {
		w += o.weighConnection(c, now, fresh)
	}
	switch a.kind {
	case isLookup, isZip:
		w += m.weighOrigin(a, now)
	case isMod:
		if m.zips {
			w += wLate
		}
		w += inOrder(&m.graph, &a.path)
	case isInfo:
		w += inOrder(&m.modules, &a.path)
	}
	return w
}

// weighConnection is the evidence of the connections alone: the go command dials
// where all of its own are busy, as many as it has processors at most, and it closes
// all but two of those that it doesn't need.
func (o *Open) weighConnection(c *Conn, now exchange.Time, fresh int) (w float64) {
	near := time.Hour
	idle := time.Duration(0)
	for _, x := range o.conns {
		near = min(near, apart(c.accepted, x.accepted))
		if x.accepted <= c.accepted && (x.busy == 0 || x.since > c.accepted) {
			idle = max(idle, c.accepted.Sub(x.idle))
		}
	}
	nearness := decay(near, together)
	w = wTogether * nearness
	young := now.Sub(o.began) < youngFor || o.command.requests <= o.dialled
	room := o.width - len(o.conns)
	if room <= 0 && (young || nearness >= 0.5) {
		w += wMore * o.shard.more(len(o.conns))
	}
	if nearness >= 0.5 {
		return w
	}
	if room > 0 && fresh > room && o.command.requests > o.dialled {
		w += wOver * float64(min(fresh-room, maxTogether))
	}
	if young {
		return w
	}
	if room > 0 {
		w += wRoom
	} else {
		w += max(wFull, wMore*o.shard.more(len(o.conns))-wLater)
	}
	return w + wIdle*grow(idle, idleFor)
}

// more returns how likely (as a natural logarithm) a command of this address that
// has had n connections at once gets another one, by those that are over.
func (s *shard) more(n int) float64 {
	n = min(n, len(s.widths)-2)
	more, all := 1, 1
	for width, commands := range s.widths[n:] {
		all += commands
		if width > 0 {
			more += commands
		}
	}
	return math.Log(float64(more) / float64(all))
}

// weighOrigin is the evidence of what the command asked for before: a .zip follows
// the .info of that version, a look-up the .mod or .zip.
func (m *command) weighOrigin(a *ask, now exchange.Time) float64 {
	var answered exchange.Time
	found := false
	w := wFollows
	for i, file := range a.after {
		x, known := m.asked[file]
		if !known {
			continue
		}
		if a.kind == isZip && i == 1 {
			if found {
				break
			}
			w /= 2
		}
		found = true
		answered = max(answered, x.answered)
	}
	switch {
	case !found:
		return wNothing
	case answered == 0:
		return w + wAwaited
	}
	return w + wDelay*grow(now.Sub(answered), followsFor)
}

// inOrder is the evidence of the path that the command asked for last: it goes by
// path.
func inOrder(last, next *path) float64 {
	switch {
	case *last == path{}:
		return 0
	case bytes.Compare(next[:], last[:]) > 0:
		return wOrder
	}
	return -wOrder
}

// apart returns the time between two, whichever is earlier.
func apart(a, b exchange.Time) time.Duration { return max(a.Sub(b), b.Sub(a)) }

// decay falls from 1 to 0 with d, by the scale of unit.
func decay(d, unit time.Duration) float64 { return math.Exp(-float64(d) / float64(unit)) }

// grow rises from 0 with d, ever more slowly, by the scale of unit.
func grow(d, unit time.Duration) float64 { return math.Log1p(max(0, float64(d)/float64(unit))) }
