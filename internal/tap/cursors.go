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

// cursor is one signal's. A nil cursor stands still at zero.
type cursor struct {
	of   *cursors
	slot int64
	seq  uint64
	at   journal.Position
}

// slotSize is the size of a cursor: its seq and position, and their checksum.
const slotSize = 8 + 8 + 4

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
		if _, err := c.file.ReadAt(buf, x.slot); err == nil && crc32.ChecksumIEEE(buf[:16]) == binary.LittleEndian.Uint32(buf[16:]) {
			x.seq, x.at = binary.LittleEndian.Uint64(buf), journal.Position(binary.LittleEndian.Uint64(buf[8:]))
		}
		c.slots[name] = x
	}
	return c, nil
}

func (c *cursors) open() (err error) {
	c.file, err = os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o600)
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
	binary.LittleEndian.PutUint32(buf[16:], crc32.ChecksumIEEE(buf[:16]))
	_, c.err = c.file.WriteAt(buf, x.slot)
}

func (c *cursors) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.Close()
}

// covers reports whether an earlier run has told item.
func (x *cursor) covers(item queued) bool {
	switch {
	case x == nil:
		return false
	case item.byPosition:
		return item.at <= x.at
	}
	return item.seq <= x.seq
}

// move notes that item, and all before it, is told.
func (x *cursor) move(item queued) {
	if x == nil || x.covers(item) {
		return
	}
	x.of.mu.Lock()
	defer x.of.mu.Unlock()
	x.seq, x.at = item.seq, item.at
	x.of.write(x)
}
