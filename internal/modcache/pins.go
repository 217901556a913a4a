// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import "sync"

// pins are the files that must stay, by their keys: those that are open, because
// the disk gets nothing back before they are closed, and those that are about to
// be opened. Its lock is its own: no hit waits for a walk or a rename.
type pins struct {
	mu sync.Mutex
	n  map[string]int
}

func (p *pins) add(key string) {
	p.mu.Lock()
	p.n[key]++
	p.mu.Unlock()
}

// drop undoes add, and reports whether the file may go now.
func (p *pins) drop(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n[key] > 1 {
		p.n[key]--
		return false
	}
	delete(p.n, key)
	return true
}

// unlessPinned calls remove if nobody has pinned key, and lets nobody do so
// meanwhile. It reports whether remove was called and did it.
func (p *pins) unlessPinned(key string, remove func() error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n[key] == 0 && remove() == nil
}

// Pin keeps the file name, be it there or not yet, from being evicted until
// release is called. An open [File] needs none.
func (c *Cache) Pin(name string) (release func()) {
	k := c.keeper
	if k == nil {
		return func() {}
	}
	keys := []string{keyOf(name), oddKey(name)}
	for _, key := range keys {
		k.pins.add(key)
	}
	return sync.OnceFunc(func() {
		for _, key := range keys {
			k.unpin(key)
		}
	})
}

func (k *keeper) unpin(key string) {
	if !k.pins.drop(key) || !k.pressed.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.change()
}
