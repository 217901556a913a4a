// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	megabyte = 1 << 20
	day      = 24 * time.Hour

	// The documents tell who asked for what, so they aren't everybody's to read.
	fileMode      = 0o600 // Where file_mode says nothing else.
	directoryMode = 0o750
)

// file is a log file that rotates by size and age. It follows its path: when somebody
// else moves or removes the file, or leads a link elsewhere, the next batch goes to
// a new one. Where path is a link, what it leads to is written, and rotates beside
// itself.
//
// lumberjack isn't used since it refuses a batch above the size of a file,
// leaves half a batch behind when the disk is full, and never ends its
// goroutine. A file must not be used by two goroutines at once.
type file struct {
	path     string
	target   string      // What path leads to, since the file was opened.
	mode     os.FileMode // Of files that are made.
	rotation RotationConfig
	logger   *zap.Logger

	handle *os.File  // nil after a fault: the next write opens it again.
	size   int64     // Where the next batch begins; 0 for what isn't a regular file.
	begun  time.Time // Known only if files are rotated for their age.
	// uncut tells that behind size there is part of a batch that failed, and
	// taking it back failed too.
	uncut   bool
	regular bool // handle is a regular file, not a device or pipe.
}

func openFile(path string, mode os.FileMode, rotation RotationConfig, logger *zap.Logger) (*file, error) {
	f := &file{path: path, mode: mode, rotation: rotation, logger: logger}
	if err := f.open(); errors.Is(err, errNoReader) {
		f.logger.Error("The log waits for the reader of its named pipe", zap.Error(err))
	} else if err != nil {
		return nil, err
	}
	f.prune()
	return f, nil
}

// Write appends batch. If it can't be written as a whole, its beginning is taken
// back, so that the caller may write it again.
func (f *file) Write(batch []byte) (int, error) {
	if err := f.prepare(int64(len(batch))); err != nil {
		return 0, err
	}
	n, err := f.handle.Write(batch)
	if err == nil {
		if f.size == 0 {
			f.begun = time.Now()
		}
		if f.regular {
			f.size += int64(n)
		}
		return n, nil
	}
	if n > 0 {
		if cutErr := f.cut(); cutErr != nil {
			return 0, errors.Join(err, cutErr) // The handle is kept, since it knows which file to cut.
		}
	}
	// Whatever is wrong with the handle, the next write begins anew.
	return 0, errors.Join(err, f.Close())
}

// cut takes back what stands behind the last whole batch.
func (f *file) cut() error {
	if !f.regular {
		return nil // What was sent there is gone.
	}
	err := f.handle.Truncate(f.size)
	f.uncut = err != nil
	return err
}

func (f *file) Close() error {
	if f.handle == nil {
		return nil
	}
	err := f.handle.Close()
	f.handle, f.uncut = nil, false
	return err
}

// prepare sees to it that handle is the file at path and has room.
func (f *file) prepare(room int64) error {
	if f.handle != nil {
		f.follow()
	}
	if f.handle == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.uncut {
		if err := f.cut(); err != nil {
			return err
		}
	}
	if f.isFull(room, time.Now()) {
		return f.rotate()
	}
	return nil
}

// follow lets go of a file that is no longer the one at path, and takes notice
// when somebody has shortened it.
func (f *file) follow() {
	opened, err := f.handle.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = os.Stat(f.path); err == nil && os.SameFile(opened, named) {
			if size := regularSize(opened); !f.uncut || size < f.size {
				f.size = size
			}
			return
		}
	}
	if err := f.Close(); err != nil {
		f.logger.Warn("Closing a log file that was moved away failed", zap.String("path", f.path), zap.Error(err))
	}
}

func (f *file) open() error {
	to, err := checkPath(f.path)
	if err != nil {
		return err
	}
	f.target = to
	if to == f.path { // The directory of a link's target isn't ours to make.
		if err := os.MkdirAll(filepath.Dir(to), directoryMode); err != nil {
			return err
		}
	}
	handle, err := f.openTarget()
	if err != nil {
		return err
	}
	info, err := handle.Stat()
	if err != nil {
		return errors.Join(err, handle.Close())
	}
	f.handle, f.regular, f.size = handle, info.Mode().IsRegular(), regularSize(info)
	if err := f.repair(); err != nil {
		return errors.Join(err, f.Close())
	}
	if f.rotation.Interval > 0 && f.size > 0 {
		f.begun = f.beginning()
	}
	return nil
}

// errNoReader is a named pipe that nobody has open for reading.
var errNoReader = errors.New("nobody reads")

// openTarget opens what path leads to. A named pipe is opened for writing alone: with both ends open it would take what nobody
// ever reads, and forget it at the end.
func (f *file) openTarget() (*os.File, error) {
	if info, err := os.Stat(f.target); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		return os.OpenFile(f.target, os.O_RDWR|os.O_CREATE|os.O_APPEND, cmp.Or(f.mode, fileMode))
	}
	handle, err := os.OpenFile(f.target, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // open(2)
		return nil, fmt.Errorf("%w the named pipe %s: start what reads it; until then records wait as long as receivers' hold says", errNoReader, f.target)
	}
	return handle, err
}

// regularSize is the size of a regular file; devices and pipes have none.
func regularSize(info fs.FileInfo) int64 {
	if info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// repair removes half a document at the end of the file: the process that wrote
// it was killed amid a write. A last line that isn't ours is only ended.
func (f *file) repair() error {
	tail, err := f.unfinished()
	if err != nil || len(tail) == 0 {
		return err
	}
	if tail[0] == '{' || tail[0] == 0 { // Zeros are what a crash of the machine leaves.
		f.logger.Warn("Half a document at the end of the log file is removed", zap.String("path", f.path), zap.Int("bytes", len(tail)))
		f.size -= int64(len(tail))
		return f.handle.Truncate(f.size)
	}
	n, err := f.handle.WriteString("\n")
	f.size += int64(n)
	return err
}

// unfinished is what stands behind the last line break of the file.
func (f *file) unfinished() ([]byte, error) {
	const step = 64 << 10
	for length := int64(0); ; {
		length = min(length+step, f.size)
		tail := make([]byte, length)
		if _, err := f.handle.ReadAt(tail, f.size-length); err != nil {
			return nil, err
		}
		if i := bytes.LastIndexByte(tail, '\n'); i >= 0 || length == f.size {
			return tail[i+1:], nil
		}
	}
}
