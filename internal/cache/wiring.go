// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// maxWiring and maxWiringBytes bound the modules that are remembered; the longest
// unseen go first.
const (
	maxWiring      = 100_000
	maxWiringBytes = 4 << 20
)

// wiring is how the observed proxy was seen to fetch. Each of its times is when
// that was seen last; zero: never. What is older than the wiring's memory says
// nothing any more: another proxy may have taken its place.
type wiring struct {
	// Modules are those that an egress request was seen for.
	Modules map[string]exchange.Time
	// Doubts are the modules of which something was answered that can't be traced to
	// a fetch through us: the proxy had it before we came, or has another way out.
	Doubts map[string]exchange.Time
	// Passed are the headers, by name, that the proxy passes on from its upstreams:
	// what they say of a cache isn't its own word.
	Passed map[string]exchange.Time
	// LastSeen is any egress request.
	LastSeen exchange.Time
	// LastWhole is a fetch of another file of a version than the one that was asked
	// for. Who does that stores it: Athens, goproxy. Such a proxy keeps files for
	// good, and asks upstream for lists and queries each time.
	LastWhole exchange.Time
	// LastParallel is one file being fetched twice at a time: requests don't wait for
	// each other's fetches.
	LastParallel exchange.Time
	// LastBackground is an answer that went out before the fetch that it caused was
	// answered: the proxy serves what it has and renews it meanwhile (RFC 5861).
	LastBackground exchange.Time
	// LastStored is an answer without a fetch, of what was fetched through us before.
	LastStored exchange.Time
	// LastSumDB is a fetch from a checksum database that a request for the same caused.
	LastSumDB exchange.Time

	memory time.Duration
	bytes  int // of the modules, doubted ones included
}

func newWiring(memory time.Duration) *wiring {
	return &wiring{
		Modules: make(map[string]exchange.Time), Doubts: make(map[string]exchange.Time),
		Passed: make(map[string]exchange.Time), memory: memory,
	}
}

func (w *wiring) see(module string, at exchange.Time) {
	w.put(w.Modules, module, at)
	w.LastSeen = max(at, w.LastSeen)
}

func (w *wiring) doubt(module string, at exchange.Time) { w.put(w.Doubts, module, at) }

func (w *wiring) put(to map[string]exchange.Time, module string, at exchange.Time) {
	was, known := to[module]
	if !known {
		module = strings.Clone(module)
		w.bytes += len(module)
	}
	to[module] = max(at, was)
	if len(to) > maxWiring || w.bytes > maxWiringBytes {
		prune(w.Modules)
		prune(w.Doubts)
		w.measure()
	}
}

// prune forgets a tenth, so that it is rarely called.
func prune(modules map[string]exchange.Time) {
	names := slices.SortedFunc(maps.Keys(modules), func(a, b string) int {
		return cmp.Or(cmp.Compare(modules[a], modules[b]), cmp.Compare(a, b))
	})
	for _, name := range names[:(len(names)+9)/10] {
		delete(modules, name)
	}
}

func (w *wiring) measure() {
	w.bytes = 0
	for _, modules := range []map[string]exchange.Time{w.Modules, w.Doubts} {
		for name := range modules {
			w.bytes += len(name)
		}
	}
}

// recent reports whether what was seen at a time still counts.
func (w *wiring) recent(at, now exchange.Time) bool { return at != 0 && now.Sub(at) <= w.memory }

func (w *wiring) seen(module string, now exchange.Time) bool { return w.recent(w.Modules[module], now) }
