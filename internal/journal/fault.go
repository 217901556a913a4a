// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// pageSize is the least stretch that a fault makes unreadable.
var pageSize = os.Getpagesize()

// faultError says that memory which maps a file could not be touched: the file
// was cut, its disk is full or broken.
type faultError struct {
	path string
	off  uintptr
}

func (e *faultError) Error() string {
	return fmt.Sprintf("%s: fault in the mapping at byte %d: file cut, or disk full or broken", e.path, e.off)
}

// guard runs where a mapped segment is touched, deferred: it restores what
// SetPanicOnFault was, turns a fault in the segment's mapping into an error, and
// lets any other panic pass. The setting belongs to the goroutine, so it must be
// restored on each way out.
func (s *segment) guard(before bool, err *error) {
	debug.SetPanicOnFault(before)
	r := recover()
	if r == nil {
		return
	}
	if fault, ok := r.(interface{ Addr() uintptr }); ok {
		if _, ok := r.(runtime.Error); ok {
			first := uintptr(unsafe.Pointer(unsafe.SliceData(s.data)))
			if off := fault.Addr() - first; off < uintptr(cap(s.data)) {
				*err = &faultError{path: s.file.path, off: off}
				return
			}
		}
	}
	panic(r)
}

// tryPut is put, with an error instead of a crash.
func (s *segment) tryPut(off int, record []byte) (err error) {
	if s.file == nil {
		s.put(off, record)
		return nil
	}
	defer s.guard(debug.SetPanicOnFault(true), &err)
	s.put(off, record)
	return nil
}

// tryGet is get, with an error instead of a crash.
func (s *segment) tryGet(off, limit int, buf []byte) (record []byte, ok bool, err error) {
	if s.file == nil {
		record, ok = s.get(off, limit, buf)
		return record, ok, nil
	}
	defer s.guard(debug.SetPanicOnFault(true), &err)
	record, ok = s.get(off, limit, buf)
	return record, ok, nil
}
