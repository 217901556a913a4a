// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.uber.org/zap"
)

const (
	// startBytes is how much of the newest files is read at a start. What may be
	// told again is what other exporters of the pipeline refused for at most half
	// a minute, and a batch: that is much less, also where many instances share
	// the file. It takes a few hundredths of a second.
	startBytes = 16 << 20

	// searchBytes is how much of the newest files is searched for a run that
	// began before the start and isn't in startBytes.
	searchBytes = 256 << 20

	readBuffer = 256 << 10
	maxLine    = 16 << 20
)

// recallTail takes note of the last documents in the files.
func (f *file) recallTail(m *memory) {
	f.readBack(startBytes, func(line []byte) {
		if instance, id, ok := identity(line); ok {
			m.recall(instance, id)
		}
	})
}

// recallRun takes note of the documents of a run, wherever in the files they are.
func (f *file) recallRun(m *memory, run string) {
	sought := []byte(run)
	f.readBack(searchBytes, func(line []byte) {
		if !bytes.Contains(line, sought) {
			return
		}
		if instance, id, ok := identity(line); ok && strings.HasPrefix(id, run+"-") {
			m.recall(instance, id)
		}
	})
}

// readBack calls each with the lines in the last bytes of the file and its
// predecessors, the newest file first, each file from its front. A file that
// can't be read is told and passed over: the writing goes on.
func (f *file) readBack(bound int64, each func(line []byte)) {
	paths := []string{f.path}
	backups, err := f.backups()
	if err != nil {
		f.logger.Warn("Finding old log files failed; what they hold may be written again", zap.String("path", f.path), zap.Error(err))
	}
	for _, b := range backups {
		paths = append(paths, b.path)
	}
	for _, path := range paths {
		if bound <= 0 {
			return
		}
		n, err := readTail(path, bound, each)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.logger.Warn("Reading a log file failed; what it holds may be written again", zap.String("path", path), zap.Error(err))
		}
		bound -= n
	}
}

// readTail calls each with every whole line in the last bytes of a regular file
// and returns how many bytes were read. A line is valid until each returns.
func readTail(path string, bound int64, each func(line []byte)) (int64, error) {
	// Before it is opened, since opening a named pipe would wait for its writer.
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	handle, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer handle.Close() // It was only read.
	info, err := handle.Stat()
	if err != nil {
		return 0, err
	}
	length := min(bound, info.Size())
	lines := bufio.NewReaderSize(io.NewSectionReader(handle, info.Size()-length, length), readBuffer)
	return length, eachLine(lines, length < info.Size(), each)
}

// eachLine calls each with every line that is ended, without its end; the first
// one is left out if it is cut. A line above maxLine is passed over.
func eachLine(lines *bufio.Reader, cut bool, each func(line []byte)) error {
	var long []byte
	tooLong := false
	for {
		part, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if tooLong = tooLong || len(long)+len(part) > maxLine; !tooLong {
				long = append(long, part...)
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		line := part
		if len(long) > 0 {
			long = append(long, part...)
			line = long
		}
		if !cut && !tooLong && len(line) <= maxLine {
			each(line[:len(line)-1])
		}
		cut, tooLong, long = false, false, long[:0]
	}
}
