// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"encoding/json"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"time"
)

const (
	noteSuffix = ".note"
	// maxMarks bounds the note, and with it what a write of it costs.
	maxMarks = 48
)

// A note says what a queue holds, beside its file, so that after damage the loss can be counted, and after a restart the age of the
// oldest request is known. It is replaced after each change of the queue by one write, without a sync: as long-lived as the queue
// file's own pages.
type note struct {
	// Queue is the queue's own metadata record.
	Queue []byte `json:"queue"`
	// Marks rise. A request belongs to the first mark whose index isn't below its own.
	Marks []mark `json:"marks,omitempty"`
}

// A mark is the time, in Unix seconds, at or before which requests up to an index were put into the queue.
type mark struct {
	Index uint64 `json:"i"`
	Time  int64  `json:"t"`
}

// put marks a request as put into the queue now.
func (n *note) put(index uint64, now time.Time) {
	second := now.Unix()
	if last := len(n.Marks) - 1; last >= 0 && index > n.Marks[last].Index && second <= n.Marks[last].Time {
		n.Marks[last].Index = index
		return
	}
	if len(n.Marks) >= maxMarks {
		// The one whose neighbours are nearest to each other is forgotten, never the oldest or the last: its requests count as the
		// next one's, which are younger.
		least := 1
		for i := 1; i < len(n.Marks)-1; i++ {
			if n.Marks[i+1].Time-n.Marks[i-1].Time < n.Marks[least+1].Time-n.Marks[least-1].Time {
				least = i
			}
		}
		n.Marks = slices.Delete(n.Marks, least, least+1)
	}
	n.Marks = append(n.Marks, mark{index, second})
}

// sent forgets the marks before the oldest request that is left.
func (n *note) sent(oldest uint64, some bool) {
	if !some {
		n.Marks = nil
		return
	}
	n.Marks = slices.DeleteFunc(n.Marks, func(m mark) bool { return m.Index < oldest })
}

// age returns how long the oldest request has been waiting, at least.
func (n *note) age(now time.Time) time.Duration {
	if len(n.Marks) == 0 {
		return 0
	}
	return max(0, now.Sub(time.Unix(n.Marks[0].Time, 0)))
}

// encode returns the note with its checksum in front: a torn one is none.
func (n *note) encode() []byte {
	text, _ := json.Marshal(n) // no type in it can fail
	sum := strconv.FormatUint(1<<32|uint64(crc32.ChecksumIEEE(text)), 16)[1:]
	return append([]byte(sum+" "+strconv.Itoa(len(text))+" "), append(text, '\n')...)
}

func decodeNote(b []byte) (*note, bool) {
	fields := [2]int64{}
	for i, base := range []int{16, 10} {
		end := slices.Index(b, ' ')
		if end < 0 || end > 10 {
			return nil, false
		}
		v, err := strconv.ParseInt(string(b[:end]), base, 64)
		if err != nil || v < 0 {
			return nil, false
		}
		fields[i], b = v, b[end+1:]
	}
	if fields[1] > int64(len(b)) || int64(crc32.ChecksumIEEE(b[:fields[1]])) != fields[0] {
		return nil, false
	}
	var n note
	return &n, json.Unmarshal(b[:fields[1]], &n) == nil
}

// readNote returns the note on a queue file; false if there is none that can be read.
func readNote(queue string) (*note, bool) {
	b, err := os.ReadFile(queue + noteSuffix)
	if err != nil {
		return nil, false
	}
	return decodeNote(b)
}

// lastNote returns the state of the queue that is noted; nil if none is.
func lastNote(queue string) *metadata {
	n, ok := readNote(queue)
	if !ok {
		return nil
	}
	state, err := parseMetadata(n.Queue)
	if err != nil {
		return nil
	}
	return &state
}
