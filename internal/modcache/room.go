// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

// roomTimeout is how long a draft waits for room at most.
const roomTimeout = time.Minute

// NoRoomError is returned for a file for which the bound left no room in time: what
// is being fetched and served takes all of it.
type NoRoomError struct {
	// MaxSize is the bound, in bytes.
	MaxSize int64
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("no room in the cache: files that are being fetched and served take its %d bytes; try again, or raise cache::max_size", e.MaxSize)
}

// ErrorType is the error.type word.
func (*NoRoomError) ErrorType() string { return "cache_full" }

// Status is the status code that says so: it is no fault of the module.
func (*NoRoomError) Status() int { return http.StatusServiceUnavailable }

// reserve waits until the draft may take n bytes of the disk more: drafts count
// as files do. Room is made by evicting; where that isn't possible the oldest
// draft alone may pass the bound, so that one always comes to its end, and the
// disk takes at most one file more than the bound.
func (k *keeper) reserve(ctx context.Context, d *Draft, n int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fits(d, n) {
		k.grow(d, n)
		return nil
	}
	defer phase.FromContext(ctx).Enter(exchange.PhaseQueue).Leave()
	timeout := time.NewTimer(roomTimeout)
	defer timeout.Stop()
	k.wanted += n
	defer func() { k.wanted -= n }()
	for !k.fits(d, n) {
		k.wakeIfOver()
		changed := k.changed
		k.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		case <-k.stop:
			err = context.Canceled
		case <-timeout.C:
			err = &NoRoomError{MaxSize: k.max}
		}
		k.mu.Lock()
		if err != nil {
			return err
		}
	}
	k.grow(d, n)
	return nil
}

// fits reports whether n bytes more of d can be had; k.mu is held. As long as what
// was there isn't counted, only a small part of the bound can.
func (k *keeper) fits(d *Draft, n int64) bool {
	used := k.stored + k.drafts + n
	switch {
	case k.max <= 0:
		return true
	case !k.known:
		return used <= k.max/20
	case used <= k.max:
		return true
	}
	return (k.stuck || k.stored == 0) && k.writing[0] == d && used-n-d.reserved <= k.max
}

// grow gives d n bytes; k.mu is held.
func (k *keeper) grow(d *Draft, n int64) {
	d.reserved += n
	k.drafts += n
}

// begin and end are called for each draft; k.mu is held by the caller of end.
func (k *keeper) begin(d *Draft) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writing = append(k.writing, d)
}

func (k *keeper) end(d *Draft) {
	k.drafts -= d.reserved
	d.reserved = 0
	k.writing = slices.DeleteFunc(k.writing, func(x *Draft) bool { return x == d })
	k.change()
}

// change lets those who wait for room look again, after another walk if need be;
// k.mu is held.
func (k *keeper) change() {
	k.stuck = false
	k.pressed.Store(false)
	k.wakeIfOver()
	k.tell()
}

// tell wakes those who wait for room; k.mu is held.
func (k *keeper) tell() {
	close(k.changed)
	k.changed = make(chan struct{})
}
