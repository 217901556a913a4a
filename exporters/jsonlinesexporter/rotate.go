// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// backupTime is the time in the name of a full file: requests.jsonl becomes
// requests-20261122T101112.013000000Z.jsonl. Names sort as they were filled.
const backupTime = "20060102T150405.000000000Z"

// isFull tells whether the file must not take room bytes more, for its size or
// for its age.
func (f *file) isFull(room int64, now time.Time) bool {
	if f.size == 0 {
		return false
	}
	limit := int64(f.rotation.MaxMegabytes) * megabyte
	interval := f.rotation.Interval
	return limit > 0 && f.size+room > limit ||
		interval > 0 && now.UnixNano()/int64(interval) > f.begun.UnixNano()/int64(interval)
}

// beginning is when the file at work was begun: what its first line says, if that
// is a document. It doesn't come from the file system, most of which know only of
// the last change.
func (f *file) beginning() time.Time {
	const label = `"@timestamp":"`
	head := make([]byte, 4<<10)
	n, err := f.handle.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return time.Now()
	}
	line, _, _ := bytes.Cut(head[:n], []byte{'\n'})
	_, stamp, _ := bytes.Cut(line, []byte(label))
	stamp, _, _ = bytes.Cut(stamp, []byte{'"'})
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Now()
	}
	return at
}

// rotate gives the full file its name among the backups and begins a new one.
func (f *file) rotate() error {
	// Closed first, since Windows doesn't rename open files.
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.target, f.backupName(time.Now())); err != nil {
		return err
	}
	if err := f.open(); err != nil {
		return err
	}
	f.prune()
	return nil
}

// backupName is a name of the given time, or just after, that isn't taken.
func (f *file) backupName(at time.Time) string {
	prefix, extension := f.backupPattern()
	for {
		name := filepath.Join(filepath.Dir(f.target), prefix+at.UTC().Format(backupTime)+extension)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		at = at.Add(1)
	}
}

func (f *file) backupPattern() (prefix, extension string) {
	name := filepath.Base(f.target)
	extension = filepath.Ext(name)
	return strings.TrimSuffix(name, extension) + "-", extension
}

// prune removes the full files that are too many or too old. A fault here costs
// space only, so it is told and the writing goes on.
func (f *file) prune() {
	if err := f.removeBackups(time.Now()); err != nil {
		f.logger.Warn("Removing old log files failed", zap.String("path", f.path), zap.Error(err))
	}
}

func (f *file) removeBackups(now time.Time) error {
	found, err := f.backups()
	if err != nil {
		return err
	}
	var errs []error
	kept := 0
	for _, b := range found {
		tooOld := f.rotation.MaxDays > 0 && now.Sub(b.at) > time.Duration(f.rotation.MaxDays)*day
		tooMany := f.rotation.MaxBackups > 0 && kept >= f.rotation.MaxBackups
		if !tooOld && !tooMany {
			kept++
			continue
		}
		if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// backup is a full file, and when it was put aside.
type backup struct {
	path string
	at   time.Time
}

// backups finds the full files, the newest first.
func (f *file) backups() ([]backup, error) {
	directory := filepath.Dir(f.target)
	entries, err := os.ReadDir(directory) // Sorted by name, which is by time.
	if err != nil {
		return nil, err
	}
	prefix, extension := f.backupPattern()
	var found []backup
	for _, entry := range slices.Backward(entries) {
		stamp, hasPrefix := strings.CutPrefix(entry.Name(), prefix)
		stamp, hasExtension := strings.CutSuffix(stamp, extension)
		at, err := time.Parse(backupTime, stamp)
		if err != nil || !hasPrefix || !hasExtension {
			continue // Somebody else's.
		}
		found = append(found, backup{path: filepath.Join(directory, entry.Name()), at: at})
	}
	return found, nil
}
