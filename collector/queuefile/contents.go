// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"slices"
)

// contents is what is found in a damaged file: for each key every place where a value of it is, the likeliest first.
type contents struct {
	places map[string][]entry
	states []metadata // of the queue, as far as they can be read; not in order
}

// search finds all entries, first along the trees of both metas, then on every page: what a damaged branch hid, or what was
// freed lately. No index is used twice while a queue lives, so an old copy of a request is the request.
func (im *image) search(metas []meta) *contents {
	found := &contents{places: make(map[string][]entry)}
	for _, m := range metas {
		seen := make(map[uint64]bool)
		roots, _ := im.tree(m.root, seen) // the rest of a damaged tree is found below
		for _, root := range roots {
			if root.bucket && string(root.key) == bucketName {
				entries, _ := im.bucket(root, seen)
				found.add(im, entries)
			}
		}
	}
	for id := uint64(0); int64(id) < im.size/im.pageSize+1; id++ {
		entries, _, _ := im.page(id)
		for _, e := range entries {
			if e.bucket && string(e.key) == bucketName {
				inline, _ := im.bucket(e, make(map[uint64]bool))
				found.add(im, inline)
			}
		}
		found.add(im, entries)
	}
	return found
}

func (c *contents) add(im *image, entries []entry) {
	for _, e := range entries {
		key := string(e.key)
		if e.bucket || slices.ContainsFunc(c.places[key], func(known entry) bool { return known.at == e.at && known.size == e.size }) {
			continue
		}
		c.places[key] = append(c.places[key], e)
		if key == metadataKey {
			if value, err := im.read(e.at, e.size); err == nil {
				if state, err := parseMetadata(value); err == nil {
					c.states = append(c.states, state)
				}
			}
		}
	}
}

// state returns the newest state of the queue that is known; false if none is.
func (c *contents) state(noted *metadata) (metadata, bool) {
	var newest *metadata
	if noted != nil {
		newest = noted
	}
	for i := range c.states {
		if newest == nil || c.states[i].newer(newest) {
			newest = &c.states[i]
		}
	}
	if newest == nil {
		return metadata{}, false
	}
	return *newest, true
}

// indices returns the indices of the requests that were found, in order.
func (c *contents) indices() []uint64 {
	var all []uint64
	for key := range c.places {
		if index, ok := indexOf([]byte(key)); ok {
			all = append(all, index)
		}
	}
	slices.Sort(all)
	return all
}
