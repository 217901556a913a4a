// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

const (
	megabyte = 1 << 20
	day      = 24 * time.Hour

	// The documents tell who asked for what, so they aren't everybody's to read.
	fileMode      = 0o640
	directoryMode = 0o750
)

// file is a log file that rotates by size. It follows its path: when somebody
// else moves or removes the file, the next batch goes to a new one.
//
// lumberjack isn't used since it refuses a batch above the size of a file,
// leaves half a batch behind when the disk is full, and never ends its
// goroutine. A file must not be used by two goroutines at once.
type file struct {
	path     string
	rotation RotationConfig
	logger   *zap.Logger

	handle *os.File // nil after a fault: the next write opens it again.
	size   int64    // Where the next batch begins; 0 for what isn't a regular file.
}

func openFile(path string, rotation RotationConfig, logger *zap.Logger) (*file, error) {
	f := &file{path: path, rotation: rotation, logger: logger}
	if err := f.open(); err != nil {
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
		f.size += int64(n)
		return n, nil
	}
	if n > 0 {
		err = errors.Join(err, f.handle.Truncate(f.size))
	}
	// Whatever is wrong with the handle, the next write begins anew.
	return 0, errors.Join(err, f.Close())
}

func (f *file) Close() error {
	if f.handle == nil {
		return nil
	}
	err := f.handle.Close()
	f.handle = nil
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
	if limit := int64(f.rotation.MaxMegabytes) * megabyte; limit > 0 && f.size > 0 && f.size+room > limit {
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
			f.size = regularSize(opened)
			return
		}
	}
	if err := f.Close(); err != nil {
		f.logger.Warn("Closing a log file that was moved away failed", zap.String("path", f.path), zap.Error(err))
	}
}

func (f *file) open() error {
	if info, err := os.Stat(f.path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory", f.path)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), directoryMode); err != nil {
		return err
	}
	handle, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	info, err := handle.Stat()
	if err != nil {
		return errors.Join(err, handle.Close())
	}
	f.handle, f.size = handle, regularSize(info)
	if err := f.repair(); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
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
	if tail[0] == '{' {
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
