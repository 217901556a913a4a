// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// maxCrowd is how many go commands of one crowd are told apart at once; the
// connections of more are given to one of these.
const maxCrowd = 256

// What is remembered of files that were asked for: of one command, and of all of a
// shard. Beyond that they are no evidence any more.
const (
	maxAsked      = 1 << 10
	maxAskedShard = 8 << 10
)

// crowd is the go commands of one client, as far as its address, user agent and
// identity tell.
type crowd struct {
	key      uint64
	commands []*Open
	// proven is when it showed last that more than one was running; zero: never.
	proven exchange.Time
}

// command is what is known of a go command by its requests.
type command struct {
	crowd *crowd
	asked map[uint64]asked // the files that it asked for, by hash
	// graph and modules are the latest path of a .mod, and of an .info or .zip.
	graph, modules path
	requests       int
	supported      uint64 // the connection on which it asked whether there is a checksum database; zero: none
	zips           bool   // it downloads modules by now
	broken         bool   // we lost a connection of it: it may come back on another one
	failed         bool   // it closed its last connection after an answer that told an error
}

// asked is a file that a command asked for.
type asked struct {
	conn     uint64        // on which one
	answered exchange.Time // zero: not yet
}

// byConnection returns the session of a request that arrived on a connection of a
// client's own, with one more request in flight. Over HTTP/2 one go command has one
// connection. Over HTTP/1.1 it has several, and never one with another command: who
// a new one belongs to is judged by what is known of how the go command works. The
// result is zero where the connection has shown to be another client's too.
func (t *Table) byConnection(now exchange.Time, key *Key) (exchange.Session, Use) {
	c, a := key.Conn, asking(&key.Request)
	s := c.shard
	h := t.hash(*key, key.UserAgent)*shards + s.index
	s.mu.Lock()
	defer s.mu.Unlock()
	o := c.owner.Load()
	if o != nil && (o.command == nil || o.command.crowd.key != h) {
		return exchange.Session{}, Use{} // clients share it
	}
	if o != nil && o.over(now, &t.settings) {
		o = nil
	}
	in := s.crowd(h)
	switch {
	case o == nil:
		if o = s.pick(in, c, &a, now, key.Streams, t); o == nil {
			o = t.command(s, in, now)
		}
		s.known(c)
	case !key.Streams && o.command.repeats(&a, c):
		in.proven = now
		other := s.pick(in, c, &a, now, false, t)
		if other == nil {
			other = t.command(s, in, now)
			o.yield(c, other)
		}
		o = other
	case !key.Streams && o.command.unfounded(&a):
		if other := s.pick(in, c, &a, now, false, t); other != nil {
			o = other
		}
	}
	o.own(c)
	o.arrive(now, &t.settings)
	if c.busy++; c.busy == 1 {
		c.since = now
	}
	c.failed = false
	s.note(o.command, c, &a)
	return o.held(), Use{open: o, conn: c, file: a.file}
}

// yield gives what came together with c, which turned out to be another command's,
// to that one too.
func (o *Open) yield(c *Conn, other *Open) {
	if apart(c.accepted, o.began) < together {
		return // all of its first ones did
	}
	for _, x := range slices.Clone(o.conns) {
		if x != c && apart(x.accepted, c.accepted) < freshFor {
			other.own(x)
		}
	}
}

// forget forgets that the command asked for a file.
func (c *command) forget(file uint64, s *shard) {
	if c.has(file) {
		delete(c.asked, file)
		s.asked--
	}
}

// give gives what the command asked for on c to another one.
func (c *command) give(on *Conn, other *command) {
	for file, x := range c.asked {
		if x.conn != on.number {
			continue
		}
		delete(c.asked, file)
		if other.asked == nil {
			other.asked = make(map[uint64]asked)
		}
		other.asked[file] = x
	}
	if c.supported == on.number {
		c.supported, other.supported = 0, on.number
	}
}

// crowd returns the crowd of that key.
func (s *shard) crowd(key uint64) *crowd {
	in := s.crowds[key]
	if in == nil {
		in = &crowd{key: key}
		s.crowds[key] = in
	}
	return in
}

// command opens the session of a go command.
func (t *Table) command(s *shard, in *crowd, now exchange.Time) *Open {
	o := &Open{
		shard: s, key: rand.Uint64()*shards + s.index, began: now, last: now, command: &command{crowd: in},
		session: exchange.Session{ID: newTraceID(), Inferred: true, Root: NewSpanID()},
	}
	s.open[o.key] = o
	in.commands = append(in.commands, o)
	s.trim(now, t)
	return o
}

// pick returns the command of the crowd that the connection belongs to by its
// request, if it is likelier one of these than a new one's or, if it has an owner,
// than that one's. One that streams is shared by no other, so only a command whose
// connection was lost can have it.
func (s *shard) pick(in *crowd, c *Conn, a *ask, now exchange.Time, streams bool, t *Table) (best *Open) {
	owner := c.owner.Load()
	if owner == nil && len(in.commands) < maxCrowd && now.Sub(in.proven) >= provenFor {
		if o, alone := in.alone(c, now, &t.settings); alone {
			switch {
			case o == nil || streams && !o.lost(now) || o.unused(c, t.settings.IdleGap):
				return nil
			case !o.command.repeats(a, c):
				return o
			}
			in.proven = now
			return nil
		}
	}
	together := s.together(c)
	threshold := wTaken
	if owner == nil {
		threshold = first[a.kind] + wTogetherNew*float64(min(together, maxTogether)-1)
	}
	if len(in.commands) >= maxCrowd {
		threshold = impossible
	}
	for _, o := range in.commands {
		if o == owner || streams && !o.lost(now) || o.over(now, &t.settings) {
			continue
		}
		w := o.weigh(c, a, now, together)
		if w > threshold {
			best, threshold = o, w
		}
	}
	return best
}

// ranAt reports whether the command had a connection then. Of those that it keeps idle
// some may be without a request yet, so that all that it has asked on are closed.
func (o *Open) ranAt(accepted exchange.Time) bool { return accepted < o.last }

// alone returns the only command of the crowd that is running, nil if none is; false
// if there are several, or one that may have ended while its connections were lost.
func (in *crowd) alone(c *Conn, now exchange.Time, s *Settings) (only *Open, alone bool) {
	for _, o := range in.commands {
		if o.over(now, s) || len(o.conns) == 0 && o.inFlight == 0 && !o.lost(now) && !o.ranAt(c.accepted) {
			continue
		}
		if only != nil || len(o.conns) == 0 && o.command.broken {
			return nil, false
		}
		only = o
	}
	return only, true
}

// unused reports whether the command has had connections that it hadn't used for so
// long when c was accepted, nor has since: it would ask on these first.
func (o *Open) unused(c *Conn, long time.Duration) bool {
	for _, x := range o.conns {
		if x.busy > 0 || c.accepted.Sub(x.idle) < long {
			return false
		}
	}
	return len(o.conns) > 0
}

// lost reports whether the command is one that has lost its connections, by our doing
// or as it left the text of an error unread.
func (o *Open) lost(now exchange.Time) bool {
	return len(o.conns) == 0 && (o.command.broken || o.command.failed && now.Sub(o.last) < backFor)
}

// leaveCrowd takes o out of its crowd.
func (s *shard) leaveCrowd(o *Open) {
	m := o.command
	s.asked -= len(m.asked)
	in := m.crowd
	if i := slices.Index(in.commands, o); i >= 0 {
		in.commands = slices.Delete(in.commands, i, i+1)
	}
	if len(in.commands) == 0 {
		delete(s.crowds, in.key)
	}
	m.asked = nil
}

// path is the beginning of a module path; longer ones aren't kept, so that a
// command has a bounded size.
type path [32]byte

// kind is what a request says about a go command.
type kind uint8

const (
	isOther kind = iota
	isList       // of versions, the latest one, a query: what it says can change
	isInfo
	isMod
	isZip
	isSupported
	isLookup
	isTile
	kinds
)

// ask is a request, as far as it is evidence.
type ask struct {
	kind kind
	// file is what it asks for; zero: what may be asked for twice.
	file uint64
	// after is what a command that asks for this has asked for before: the first of
	// them that it did. Zeros: nothing is.
	after [2]uint64
	path  path
}

// asking reads a request.
func asking(r *goproxy.Request) ask {
	a := ask{kind: isOther}
	switch op := r.Operation; {
	case op.IsQuery():
		a.kind = isList
	case op == goproxy.Info:
		a.kind = isInfo
	case op == goproxy.Mod:
		a.kind = isMod
	case op == goproxy.Zip:
		a.kind = isZip
	case op == goproxy.SumDB:
		switch r.SumDBKind {
		case goproxy.SumDBSupported:
			a.kind = isSupported
		case goproxy.SumDBLookup:
			a.kind = isLookup
		case goproxy.SumDBTile:
			a.kind = isTile
		}
	}
	copy(a.path[:], r.Module)
	switch a.kind {
	case isInfo, isMod, isZip, isLookup:
		var of [kinds]uint64
		h := xxhash.New()
		_, _ = h.WriteString(r.Module)
		_, _ = h.WriteString("@")
		_, _ = h.WriteString(r.Version)
		sum := h.Sum64()
		for k := range of {
			of[k] = mix(sum, kind(k))
		}
		a.file = of[a.kind]
		switch a.kind {
		case isZip:
			a.after = [2]uint64{of[isInfo], of[isMod]}
		case isLookup:
			a.after = [2]uint64{of[isMod], of[isZip]}
		}
	case isTile:
		a.file = mix(xxhash.Sum64String(r.Tile), isTile)
	case isSupported:
		a.file = mix(xxhash.Sum64String(r.SumDB), isSupported)
	}
	return a
}

// mix makes one hash of two.
func mix(h uint64, k kind) uint64 { return max(1, (h^uint64(k)+1)*0x9e3779b97f4a7c15) }

// once reports whether a go command asks for it once: those files don't change, and
// it keeps them. It asks for the .info of a pseudo-version again.
func (a *ask) once() bool { return a.file != 0 && a.kind != isInfo }

// repeats reports whether the command can't be the one that asks on a connection: it
// has what is asked for, by another one.
func (c *command) repeats(a *ask, on *Conn) bool {
	if x, known := c.asked[a.file]; known && a.once() && x.conn != on.number {
		return true
	}
	return a.kind == isSupported && c.supported != 0 && c.supported != on.number
}

// unfounded reports whether the command doesn't know yet what there is to ask for,
// unless from its module cache.
func (c *command) unfounded(a *ask) bool {
	return a.after != [2]uint64{} && !c.has(a.after[0]) && !c.has(a.after[1])
}

func (c *command) has(file uint64) bool {
	_, known := c.asked[file]
	return known
}

// note takes a request of the command into its evidence.
func (s *shard) note(c *command, on *Conn, a *ask) {
	c.requests++
	switch a.kind {
	case isMod:
		c.graph = a.path
	case isZip:
		c.zips = true
		c.modules = a.path
	case isInfo:
		c.modules = a.path
	case isSupported:
		c.supported = on.number
	}
	if a.file == 0 || c.has(a.file) || len(c.asked) >= maxAsked || s.asked >= maxAskedShard {
		return
	}
	if c.asked == nil {
		c.asked = make(map[uint64]asked)
	}
	c.asked[a.file] = asked{conn: on.number}
	s.asked++
}
