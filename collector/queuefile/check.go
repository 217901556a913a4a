// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A Verdict is what a check came to.
type Verdict struct {
	// Broken says why the file can't be used; "" if it can.
	Broken string `json:"broken,omitempty"`
	// Forbidden is an error of the file's permissions: nothing is wrong with the file itself.
	Forbidden string `json:"forbidden,omitempty"`
	// LostRequests are listed in a sound file, but aren't in it (looked for as far as there is time): exporterhelper deletes what was under way when the process was killed
	// before it stores it again, and was killed between the two.
	LostRequests int `json:"lost_requests,omitempty"`
}

const (
	// lockWait is how long a check waits for the lock of a file: a process that has just been killed may hold it still.
	lockWait = time.Second
	// readFor bounds the reading of the requests themselves, which takes time in proportion to the queue. What isn't read now is
	// the exporter's to read.
	readFor = 100 * time.Millisecond
	// walkFor bounds the walk through pages and keys: enough for a gigabyte of large requests, not for one of small ones.
	walkFor = 300 * time.Millisecond
	// checkAllBelow is the size up to which bbolt's own check is run too: it takes a second for a gigabyte.
	checkAllBelow = 64 << 20
)

// check walks all pages of a file, opens it with bbolt and reads its requests. It may panic, end the process or not return.
func check(path string) Verdict {
	info, err := os.Stat(path)
	if err != nil {
		return verdict(err)
	}
	if !info.Mode().IsRegular() {
		return Verdict{Broken: "not a file"}
	}
	if info.Size() == 0 {
		return Verdict{Broken: "empty file"}
	}
	if err := walk(path, info.Size()); err != nil {
		return verdict(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return verdict(err)
	}
	defer db.Close()
	var found Verdict
	err = db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			// bbolt would open it, and might touch a mapped page that the file doesn't have.
			return fmt.Errorf("cut: %d of %d bytes", info.Size(), tx.Size())
		}
		if info.Size() < checkAllBelow {
			for err := range tx.Check() {
				return err // The process ends soon: the goroutine behind the channel needs no end.
			}
		}
		bucket := tx.Bucket([]byte(bucketName))
		if bucket == nil {
			return nil // as fresh as a file can be
		}
		if signal := signalOf(filepath.Base(path)); signal != "" {
			return checkQueue(bucket, signal, &found)
		}
		return bucket.ForEach(func(_, _ []byte) error { return nil })
	})
	if err != nil {
		return verdict(err)
	}
	return found
}

// walk reads all branches and all keys in a way that no damage can lead astray.
func walk(path string, size int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	im, metas := newImage(mapped(file, size), size)
	im.until = time.Now().Add(walkFor)
	if len(metas) == 0 {
		return errors.New("invalid metas")
	}
	seen := make(map[uint64]bool)
	roots, err := im.tree(metas[0].root, seen)
	if err != nil {
		return err
	}
	for _, root := range roots {
		if root.bucket {
			if _, err := im.bucket(root, seen); err != nil && !errors.Is(err, errEnough) {
				return err
			}
		}
	}
	return nil
}

// errEnough ends the reading of a queue.
var errEnough = errors.New("no more time")

// checkQueue reads the requests of a queue as far as there is time. All keys were walked before.
func checkQueue(bucket *bbolt.Bucket, signal string, found *Verdict) error {
	text := bucket.Get([]byte(metadataKey))
	if text == nil {
		if key, _ := bucket.Cursor().First(); key != nil {
			return errMetadata
		}
		return nil
	}
	state, err := parseMetadata(text)
	if err != nil {
		return err
	}
	present, until := 0, time.Now().Add(readFor)
	err = bucket.ForEach(func(key, value []byte) error {
		index, ok := indexOf(key)
		if !ok || !state.holds(index) {
			return nil
		}
		present++
		if time.Now().After(until) {
			return errEnough
		}
		if _, _, err := measure(signal, value); err != nil {
			return fmt.Errorf("request %d: %w", index, err)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	if err != nil {
		return err
	}
	missing := state.requests() - present
	if missing > len(state.dispatched) {
		return fmt.Errorf("%d of %d requests are missing", missing, state.requests())
	}
	found.LostRequests = missing
	return nil
}

func verdict(err error) Verdict {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Verdict{Forbidden: err.Error()}
	case errors.Is(err, berrors.ErrTimeout):
		return Verdict{Broken: "locked by another process"}
	default:
		return Verdict{Broken: err.Error()}
	}
}
