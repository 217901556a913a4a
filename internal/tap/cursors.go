// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"

	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/statefile"
)

// cursors is the file that says up to where each signal is told. It is written
// after each batch, so that a crash makes few batches be told again.
type cursors struct {
	path  string
	slots map[string]*cursor

	mu   sync.Mutex
	file *os.File
	err  error // of the last write
}

// cursor is one signal's. A nil cursor stands still at the beginning.
type cursor struct {
	of      *cursors
	slot    int64
	earlier place // up to where earlier runs have told
	place         // up to where it is told by now
}

// place is where in the order of telling an item stands.
type place struct {
	seq uint64           // over all runs; zero: before the first
	at  journal.Position // behind the record that settled it
	nth uint32           // of those that this record settled; a batch may end among them
}

// slotSize is the size of a cursor: its place, and the checksum of that.
const (
	placeSize = 8 + 8 + 4
	slotSize  = placeSize + 4
)

// openCursors reads the cursors in dir, or makes them. A slot that can't be read
// counts as zero: more is told again then.
func openCursors(dir string, names ...string) (*cursors, error) {
	c := &cursors{path: filepath.Join(dir, "cursors"), slots: make(map[string]*cursor)}
	if err := c.open(); err != nil {
		return nil, err
	}
	for i, name := range names {
		x := &cursor{of: c, slot: int64(i) * slotSize}
		buf := make([]byte, slotSize)
		if _, err := c.file.ReadAt(buf, x.slot); err == nil && crc32.ChecksumIEEE(buf[:placeSize]) == binary.LittleEndian.Uint32(buf[placeSize:]) {
			x.place = place{
				seq: binary.LittleEndian.Uint64(buf),
				at:  journal.Position(binary.LittleEndian.Uint64(buf[8:])),
				nth: binary.LittleEndian.Uint32(buf[16:]),
			}
			x.earlier = x.place
		}
		c.slots[name] = x
	}
	return c, nil
}

func (c *cursors) open() (err error) {
	c.file, err = statefile.Open(c.path, os.O_RDWR|os.O_CREATE)
	return err
}

// last returns how far the order of telling has come, and how far in the journal
// anything was told.
func (c *cursors) last() (seq uint64, at journal.Position) {
	for _, x := range c.slots {
		seq, at = max(seq, x.seq), max(at, x.at)
	}
	return seq, at
}

// check makes the file again where it was removed, and returns why the cursors
// can't be kept; nil: they can.
func (c *cursors) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := os.Stat(c.path); !os.IsNotExist(err) {
		return c.err
	}
	old := c.file
	if c.err = c.open(); c.err != nil {
		c.file = old
		return c.err
	}
	_ = old.Close() // it is no longer there
	for _, x := range c.slots {
		c.write(x)
	}
	return c.err
}

func (c *cursors) write(x *cursor) {
	buf := make([]byte, slotSize)
	binary.LittleEndian.PutUint64(buf, x.seq)
	binary.LittleEndian.PutUint64(buf[8:], uint64(x.at))
	binary.LittleEndian.PutUint32(buf[16:], x.nth)
	binary.LittleEndian.PutUint32(buf[placeSize:], crc32.ChecksumIEEE(buf[:placeSize]))
	_, c.err = c.file.WriteAt(buf, x.slot)
}

func (c *cursors) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.Close()
}

// covers reports whether an earlier run has told item. What this run tells it
// takes from its queue once.
func (x *cursor) covers(item queued) bool {
	switch {
	case x == nil:
		return false
	case !item.byPosition:
		return item.seq <= x.earlier.seq
	case item.at == x.earlier.at:
		return item.nth <= x.earlier.nth
	}
	return item.at < x.earlier.at
}

// move notes that item, and all before it, is told.
func (x *cursor) move(item queued) {
	if x == nil || x.covers(item) {
		return
	}
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.place = item.place
	x.of.write(x)
}
