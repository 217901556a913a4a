// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/phase"
)

// measureEvery is the time between two looks at how much fetches from version
// control have left.
const measureEvery = time.Minute

// boundedDirect keeps the module cache of fetches from version control below a
// bound: it is emptied when it has outgrown it and no fetch is running. What it
// holds is there to make later fetches faster, and can be fetched again.
type boundedDirect struct {
	chain.Direct
	dir string
	max int64 // bytes; 0: no bound

	*directUse
}

// directUse is the use of one module cache, by whichever lists lead there.
type directUse struct {
	running  sync.RWMutex // Held by fetches for reading.
	mu       sync.Mutex
	measured time.Time
}

var directUses sync.Map // of *directUse, by folder

func newBoundedDirect(d chain.Direct, dir string, maxSize int64) *boundedDirect {
	use, _ := directUses.LoadOrStore(dir, new(directUse))
	return &boundedDirect{Direct: d, dir: dir, max: maxSize, directUse: use.(*directUse)}
}

var _ chain.Direct = (*boundedDirect)(nil)

// Fetch implements [chain.Direct]. The files that it returns are open, so that they
// outlive their names.
func (d *boundedDirect) Fetch(ctx context.Context, file string) (map[string]io.ReadSeekCloser, error) {
	turn := phase.FromContext(ctx).Enter(exchange.PhaseQueue)
	d.trim()
	d.running.RLock()
	turn.Leave()
	defer d.running.RUnlock()
	return d.Direct.Fetch(ctx, file)
}

// trim empties the module cache if it is too large. Where fetches are running a
// later one does it.
func (d *boundedDirect) trim() {
	d.mu.Lock()
	due := d.max > 0 && time.Since(d.measured) > measureEvery
	d.mu.Unlock()
	if !due || !d.running.TryLock() {
		return
	}
	defer d.running.Unlock()
	if modcache.Measure(d.dir, d.max) > d.max {
		entries, _ := os.ReadDir(d.dir) // none: nothing to remove
		for _, e := range entries {
			_ = os.RemoveAll(filepath.Join(d.dir, e.Name())) // the next look tries again
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.measured = time.Now()
}
