// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// maxWiring bounds the modules that are remembered; the longest unseen go first.
const maxWiring = 100_000

// wiring remembers for which modules an egress request was seen: only a proxy
// that fetches through us can be said to have answered without fetching. It also
// remembers how the proxy fetches.
type wiring struct {
	Modules map[string]exchange.Time
	// Last is when any was seen.
	Last exchange.Time
	// Whole is true once the proxy was seen to fetch other files of a version than
	// the one that was asked for.
	Whole bool
	// Parallel is true once it was seen to fetch one file twice at a time: requests
	// don't wait for each other's fetches.
	Parallel bool
}

func newWiring() *wiring { return &wiring{Modules: make(map[string]exchange.Time)} }

func (w *wiring) see(module string, at exchange.Time) {
	w.Modules[module] = max(at, w.Modules[module])
	w.Last = max(at, w.Last)
	if len(w.Modules) > maxWiring {
		w.prune()
	}
}

// prune forgets a tenth, so that it is rarely called.
func (w *wiring) prune() {
	names := slices.SortedFunc(maps.Keys(w.Modules), func(a, b string) int {
		return cmp.Or(cmp.Compare(w.Modules[a], w.Modules[b]), cmp.Compare(a, b))
	})
	for _, name := range names[:len(names)/10] {
		delete(w.Modules, name)
	}
}

func (w *wiring) seen(module string, now exchange.Time, memory time.Duration) bool {
	at, ok := w.Modules[module]
	return ok && now.Sub(at) <= memory
}

func (w *wiring) seenAny(now exchange.Time, memory time.Duration) bool {
	return w.Last != 0 && now.Sub(w.Last) <= memory
}
