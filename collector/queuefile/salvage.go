// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"go.etcd.io/bbolt"
)

// Salvaged is what became of a broken file.
type Salvaged struct {
	// Requests and Items (spans, metric points, log records) were read, and will be sent.
	Requests int `json:"requests"`
	Items    int `json:"items"`
	// LostRequests and LostItems were in the queue, but can't be read.
	LostRequests int `json:"lost_requests"`
	LostItems    int `json:"lost_items"`
	// Unknown is true if nothing tells how much was in the queue: what is lost is at least what is counted.
	Unknown bool `json:"unknown,omitempty"`
}

// batchSize is how much is written in one transaction.
const batchSize = 8 << 20

// salvage reads what it can from a broken file and writes it to a new one at to, in the order of the queue and with metadata
// that agree. A file that isn't an exporter's queue is copied as it is.
func salvage(from, to string) (result Salvaged, err error) {
	file, err := os.Open(from)
	if err != nil {
		return result, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return result, err
	}
	im, metas := newImage(file, info.Size())
	found := im.search(metas)

	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return result, err
	}
	db, err := bbolt.Open(to, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, db.Sync(), db.Close()) }()
	if signal := signalOf(filepath.Base(from)); signal != "" {
		return refill(db, im, found, signal, lastNote(from))
	}
	return copyAll(db, im, found)
}

// refill writes the queue's requests under new indices, from 0.
func refill(db *bbolt.DB, im *image, found *contents, signal string, noted *metadata) (Salvaged, error) {
	was, known := found.state(noted)
	var result Salvaged
	var is metadata
	w := &writer{db: db}
	for _, index := range found.indices() {
		// What was written after the newest known state is the queue's too.
		if known && !was.holds(index) && index < was.write {
			continue
		}
		for _, place := range found.places[strconv.FormatUint(index, 10)] {
			value, err := im.read(place.at, place.size)
			if err != nil {
				continue
			}
			items, bytes, err := measure(signal, value)
			if err != nil {
				continue
			}
			if err := w.put(strconv.FormatUint(is.write, 10), value); err != nil {
				return result, err
			}
			is.write++
			is.items += int64(items)
			is.bytes += int64(bytes)
			break
		}
	}
	if err := w.put(metadataKey, is.marshal()); err != nil {
		return result, err
	}
	result.Requests, result.Items = int(is.write), int(is.items)
	result.Unknown = !known
	result.LostRequests = max(0, was.requests()-result.Requests)
	result.LostItems = max(0, int(was.items-is.items))
	return result, w.flush()
}

func copyAll(db *bbolt.DB, im *image, found *contents) (Salvaged, error) {
	result := Salvaged{Unknown: true}
	w := &writer{db: db}
	for key, places := range found.places {
		value, err := im.read(places[0].at, places[0].size)
		if err != nil {
			continue
		}
		if err := w.put(key, value); err != nil {
			return result, err
		}
		result.Requests++
	}
	return result, w.flush()
}

// A writer puts pairs into the bucket, many in one transaction.
type writer struct {
	db    *bbolt.DB
	pairs [][2][]byte
	size  int
}

func (w *writer) put(key string, value []byte) error {
	w.pairs = append(w.pairs, [2][]byte{[]byte(key), value})
	if w.size += len(value); w.size < batchSize {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	err := w.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(bucketName))
		if err != nil {
			return err
		}
		for _, pair := range w.pairs {
			if err := bucket.Put(pair[0], pair[1]); err != nil {
				return err
			}
		}
		return nil
	})
	w.pairs, w.size = nil, 0
	if err != nil {
		return fmt.Errorf("fresh queue file: %w", err)
	}
	return nil
}
