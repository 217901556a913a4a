// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package heavy

import (
	"slices"
	"strings"
)

// Watched is a key that Space-Saving watches: it was counted at most Count times,
// and at least Count-Error times.
type Watched struct {
	Key   string
	Count int64
	Error int64
}

// sketch is Space-Saving over a fixed number of keys. Every key with more than
// total/capacity counts is watched; no Error is greater than that.
type sketch struct {
	capacity int
	total    int64
	heap     []Watched      // the lightest on top
	at       map[string]int // in heap
}

func newSketch(capacity int) sketch {
	return sketch{capacity: capacity, at: make(map[string]int, capacity)}
}

// add counts key and returns how often it was counted for certain.
func (s *sketch) add(key string) (sure int64) {
	s.total++
	i, watched := s.at[key]
	switch {
	case watched:
		s.heap[i].Count++
	case len(s.heap) < s.capacity:
		i = len(s.heap)
		key = strings.Clone(key) // it may be part of something long
		s.heap = append(s.heap, Watched{Key: key, Count: 1})
		s.at[key] = i
		s.up(i)
		return 1
	default: // the lightest makes room, and may have been this one under another name
		i = 0
		key = strings.Clone(key)
		delete(s.at, s.heap[0].Key)
		lightest := s.heap[0].Count
		s.heap[0] = Watched{Key: key, Count: lightest + 1, Error: lightest}
		s.at[key] = 0
	}
	sure = s.heap[i].Count - s.heap[i].Error
	s.down(i)
	return sure
}

// unwatched is how often a key that isn't watched was counted at most.
func (s *sketch) unwatched() int64 {
	if len(s.heap) < s.capacity {
		return 0
	}
	return s.heap[0].Count
}

// halve lets what was counted so far weigh half. Keys that weigh nothing any more
// are forgotten.
func (s *sketch) halve() {
	s.heap = slices.DeleteFunc(s.heap, func(w Watched) bool { return w.Count < 2 })
	for i := range s.heap {
		s.heap[i].Count /= 2
		s.heap[i].Error = min(s.heap[i].Count, (s.heap[i].Error+1)/2)
	}
	total := s.total / 2
	if len(s.heap) == 0 {
		total = 0
	}
	s.restore(total, s.heap)
}

// restore puts the keys that were watched in their places. Halving and deleting
// leave them in an order that is to be made a heap again.
func (s *sketch) restore(total int64, watched []Watched) {
	s.total = total
	s.heap = slices.Clone(watched[:min(len(watched), s.capacity)])
	clear(s.at)
	for i := range s.heap {
		s.at[s.heap[i].Key] = i
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.down(i)
	}
}

func (s *sketch) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if s.heap[parent].Count <= s.heap[i].Count {
			return
		}
		s.swap(i, parent)
		i = parent
	}
}

func (s *sketch) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.heap) {
			return
		}
		if child+1 < len(s.heap) && s.heap[child+1].Count < s.heap[child].Count {
			child++
		}
		if s.heap[i].Count <= s.heap[child].Count {
			return
		}
		s.swap(i, child)
		i = child
	}
}

func (s *sketch) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.at[s.heap[i].Key], s.at[s.heap[j].Key] = i, j
}
