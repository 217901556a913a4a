// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// maxWiring bounds the modules that are remembered; the longest unseen go first.
const maxWiring = 100_000

// Wiring remembers for which modules an egress request was seen: only a proxy
// that fetches through us can be said to have answered without fetching. It also
// remembers how the proxy fetches. It is safe for concurrent use; it can be
// marshalled as JSON.
type Wiring struct {
	mu      sync.Mutex
	modules map[string]exchange.Time
	last    exchange.Time
	// whole is true once the proxy was seen to fetch other files of a version than
	// the one that was asked for.
	whole bool
	// parallel is true once it was seen to fetch one file twice at a time: requests
	// don't wait for each other's fetches.
	parallel bool
}

// learn sets one of w's traits.
func (w *Wiring) learn(trait *bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*trait = true
}

func (w *Wiring) is(trait *bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *trait
}

// keptJSON is how a Wiring is marshalled.
type keptJSON struct {
	Modules  map[string]exchange.Time `json:"modules"`
	Whole    bool                     `json:"whole"`
	Parallel bool                     `json:"parallel"`
}

// NewWiring returns an empty Wiring.
func NewWiring() *Wiring { return &Wiring{modules: make(map[string]exchange.Time)} }

func (w *Wiring) see(module string, at exchange.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.modules[module] = max(at, w.modules[module])
	w.last = max(at, w.last)
	if len(w.modules) > maxWiring {
		w.prune()
	}
}

// prune forgets a tenth, so that it is rarely called.
func (w *Wiring) prune() {
	names := slices.SortedFunc(maps.Keys(w.modules), func(a, b string) int {
		return cmp.Or(cmp.Compare(w.modules[a], w.modules[b]), cmp.Compare(a, b))
	})
	for _, name := range names[:len(names)/10] {
		delete(w.modules, name)
	}
}

func (w *Wiring) seen(module string, now exchange.Time, memory time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.modules[module]
	return ok && now.Sub(at) <= memory
}

func (w *Wiring) seenAny(now exchange.Time, memory time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last != 0 && now.Sub(w.last) <= memory
}

// MarshalJSON implements [json.Marshaler].
func (w *Wiring) MarshalJSON() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return json.Marshal(keptJSON{w.modules, w.whole, w.parallel})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (w *Wiring) UnmarshalJSON(text []byte) error {
	k := keptJSON{Modules: make(map[string]exchange.Time)}
	if err := json.Unmarshal(text, &k); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.modules, w.last, w.whole, w.parallel = k.Modules, 0, k.Whole, k.Parallel
	for _, at := range k.Modules {
		w.last = max(w.last, at)
	}
	return nil
}
