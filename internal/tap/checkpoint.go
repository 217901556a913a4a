// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/statefile"
)

// checkpoint is what outlives one exchange, as it is after the record before
// Position. It is complete, and can be saved, once every signal is told so far.
type checkpoint struct {
	// Position is up to where the journal was read.
	Position journal.Position
	// Seq is how many exchanges and sessions had been told by then.
	Seq uint64
	// Judging are the settings of the run that Position is in, as its start record has
	// them. Empty: they aren't known.
	Judging []byte
	// Marks are how far the sources are read.
	Marks []exchange.Mark
	// Settler, Tracker, Sessions and Metrics are what these know.
	Settler, Tracker, Sessions, Metrics []byte

	waiting  atomic.Int32 // signals that aren't told so far
	failed   atomic.Bool
	complete chan<- *checkpoint
}

// pass says that one signal is told so far.
func (c *checkpoint) pass() {
	if c.waiting.Add(-1) == 0 {
		c.complete <- c
	}
}

// checkpointMagic begins the file, with the number of its shape: one with another
// beginning is none.
const checkpointMagic = "modtap checkpoint 1\n"

// save puts c in the place of the checkpoint in dir.
func (c *checkpoint) save(dir string) error {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(c); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "checkpoint")
	file, err := statefile.Open(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	sum := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(body.Bytes()))
	for _, part := range [][]byte{[]byte(checkpointMagic), sum, body.Bytes()} {
		if _, err = file.Write(part); err != nil {
			break
		}
	}
	if err == nil {
		err = file.Sync() // a rename may reach the disk before what is renamed
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// loadCheckpoint reads the checkpoint in dir; nil: there is none. A file that is
// no checkpoint is an error.
func loadCheckpoint(dir string) (*checkpoint, error) {
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none is no fault
	}
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutPrefix(data, []byte(checkpointMagic))
	if !ok || len(body) < 4 {
		return nil, errors.New("checkpoint of another shape")
	}
	if crc32.ChecksumIEEE(body[4:]) != binary.LittleEndian.Uint32(body) {
		return nil, errors.New("damaged checkpoint")
	}
	c := new(checkpoint)
	if err := gob.NewDecoder(bytes.NewReader(body[4:])).Decode(c); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}
