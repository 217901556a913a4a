// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/redact"
)

const (
	megabyte = 1 << 20

	// The documents tell who asked for what, so they aren't everybody's to read.
	deadLetterMode          = 0o640
	deadLetterDirectoryMode = 0o750
)

// Why a rejected document isn't in the dead-letter file.
const (
	lostNoFile     = "no_dead_letter_file"
	lostFull       = "dead_letter_file_full"
	lostWriteFault = "dead_letter_write_fault"
)

// deadLetter is a line of the dead-letter file.
type deadLetter struct {
	Time     time.Time       `json:"@timestamp"` // Of the rejection.
	Index    string          `json:"index"`
	ID       string          `json:"id,omitempty"`
	Status   int             `json:"status"`
	Error    deadLetterError `json:"error"`
	Document json.RawMessage `json:"document"`
}

type deadLetterError struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// deadLetters appends rejected documents to a file. It is opened for each batch
// that has some: they are rare, and whoever moves the file away is obeyed.
type deadLetters struct {
	path  string // Empty: there is no file.
	limit int64  // In bytes; what would go beyond is lost.
	mu    *sync.Mutex
}

// write appends whole lines and returns how many of them are kept, the first
// ones, and why the others are not. A fault leaves the file as it was.
func (d *deadLetters) write(lines [][]byte) (kept int, lost string, err error) {
	if d.path == "" {
		return 0, lostNoFile, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(d.path), deadLetterDirectoryMode); err != nil {
		return 0, lostWriteFault, err
	}
	// Not followed where it isn't a regular file: to open a pipe would block.
	if info, err := os.Stat(d.path); err == nil && !info.Mode().IsRegular() {
		return 0, lostWriteFault, errors.New(d.path + " isn't a regular file")
	}
	file, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, deadLetterMode)
	if err != nil {
		return 0, lostWriteFault, err
	}
	kept, err = d.append(file, lines)
	switch err = errors.Join(err, file.Close()); {
	case err != nil:
		return 0, lostWriteFault, err
	case kept < len(lines):
		return kept, lostFull, nil
	}
	return kept, "", nil
}

func (d *deadLetters) append(file *os.File, lines [][]byte) (int, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	var text bytes.Buffer
	if size > 0 { // The process was killed, or somebody edited the file.
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return 0, err
		}
		if last[0] != '\n' {
			text.WriteByte('\n')
		}
	}
	kept := 0
	for _, line := range lines {
		if size+int64(text.Len()+len(line)) > d.limit {
			break
		}
		text.Write(line)
		kept++
	}
	if kept == 0 {
		return 0, nil
	}
	if n, err := file.Write(text.Bytes()); err != nil {
		if n > 0 {
			err = errors.Join(err, file.Truncate(size))
		}
		return 0, err
	}
	return kept, nil
}

// letter is the line of a rejected document.
func (r *rejection) letter(documents *batch, now time.Time) (*deadLetter, []byte, error) {
	first, document := documents.lines(r.position)
	var create action
	if err := json.Unmarshal([]byte(first), &create); err != nil {
		return nil, nil, err
	}
	line := &deadLetter{
		Time: now.UTC(), Index: create.Create.Index, ID: create.Create.ID, Status: r.status,
		Error: deadLetterError{Type: redact.Line(r.kind), Reason: redact.Line(r.reason)}, Document: json.RawMessage(document),
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // The document stays byte for byte what it was.
	err := encoder.Encode(line)
	return line, text.Bytes(), err
}
