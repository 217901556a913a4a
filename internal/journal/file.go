// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/modtap/modtap/internal/statefile"
)

const (
	headerSize = 64
	// magic opens a segment file. Read as a word it has another mark than a
	// record.
	magic   = "modtapJ\x00"
	version = 1
	suffix  = ".segment"
	// unfinished is what a file is called until it has its size.
	unfinished = "next.unfinished"
	// maxSegment is the largest segment, in bytes.
	maxSegment = 8 << 20
)

// file is what is behind a mapped segment.
type file struct {
	path    string
	info    fs.FileInfo
	size    int64  // on disk
	mapping []byte // nil if it could not be mapped
}

// fileName names a segment by its base, so that names sort as positions do.
func fileName(base Position) string { return fmt.Sprintf("%020d%s", uint64(base), suffix) }

func parseName(name string) (base Position, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.ParseUint(digits, 10, 63)
	return Position(n), ok && err == nil && n%wordSize == 0 && fileName(Position(n)) == name
}

// header is what a segment file begins with.
type header struct {
	base   Position
	behind Position // where the records of the segment before it end
	size   int      // of the file
}

func (h header) put(b []byte) {
	copy(b, magic)
	binary.NativeEndian.PutUint32(b[8:], version)
	binary.NativeEndian.PutUint32(b[12:], uint32(h.size))
	binary.NativeEndian.PutUint64(b[16:], uint64(h.base))
	binary.NativeEndian.PutUint64(b[24:], uint64(h.behind))
	binary.NativeEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
}

func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic || binary.NativeEndian.Uint32(b[8:]) != version ||
		binary.NativeEndian.Uint32(b[32:]) != crc32.Checksum(b[:32], castagnoli) {
		return header{}, false
	}
	h.size = int(binary.NativeEndian.Uint32(b[12:]))
	h.base = Position(binary.NativeEndian.Uint64(b[16:]))
	h.behind = Position(binary.NativeEndian.Uint64(b[24:]))
	return h, h.base%wordSize == 0 && h.base < 1<<63 && h.behind <= h.base && h.size >= headerSize && h.size <= maxSegment
}

// create makes a segment file of size bytes in dir, all of which it has on the
// disk, and maps it. It has no header before begin.
func create(dir string, base Position, size int) (s *segment, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path, temporary := filepath.Join(dir, fileName(base)), filepath.Join(dir, unfinished)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	f, err := statefile.Open(temporary, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(temporary) // what counts is why it can't be used
		}
	}()
	if err := allocate(f, int64(size)); err != nil {
		return nil, fmt.Errorf("%s: %d bytes of disk space: %w", temporary, size, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	mapping, err := mapFile(f, size, true)
	if err != nil {
		return nil, fmt.Errorf("%s: mapping: %w", temporary, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return nil, errors.Join(err, unmap(mapping))
	}
	s = &segment{base: base, start: headerSize, data: mapping, file: &file{path: path, info: info, size: int64(size), mapping: mapping}}
	s.state.Store(headerSize)
	return s, nil
}

// begin writes the header of a segment that follows behind.
func (s *segment) begin(behind Position) (err error) {
	defer s.guard(debug.SetPanicOnFault(true), &err)
	s.behind = behind
	header{base: s.base, behind: behind, size: len(s.data)}.put(s.data)
	return nil
}

// intact returns an error if the file isn't at its place any more, whole.
func (f *file) intact() error {
	info, err := os.Lstat(f.path)
	switch {
	case err != nil:
		return err
	case !os.SameFile(info, f.info):
		return fmt.Errorf("%s: replaced by another file", f.path)
	case info.Size() < f.size:
		return fmt.Errorf("%s: cut from %d to %d bytes", f.path, f.size, info.Size())
	default:
		return nil
	}
}

// bury unmaps and removes a segment that nobody uses; another file that has taken
// its place stays.
func (s *segment) bury() error {
	if s.file == nil {
		return nil
	}
	err := s.unmap()
	info, e := os.Stat(s.file.path)
	if e == nil && s.file.info != nil && !os.SameFile(info, s.file.info) {
		return err
	}
	if e := os.Remove(s.file.path); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func (s *segment) unmap() error {
	if s.file == nil || s.file.mapping == nil {
		return nil
	}
	mapping := s.file.mapping
	s.file.mapping = nil // data stays: a late writer may still look how long it was
	return unmap(mapping)
}
