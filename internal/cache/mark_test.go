// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/cacheheader"
)

// TestMarks has a cache that says nothing of itself but keeps header lines, the mark of
// the fetch that brought its copy among them.
func TestMarks(t *testing.T) {
	marked := func(s *scene, first, at exchangeTime, name, fetch string) {
		s.endsWith(first, at, name, 200, "Cache-Status", "near; hit, "+cacheheader.Mark("egress", span(fetch).SpanID))
	}
	cold := func(s *scene) {
		s.asks(1, "a", zip)
		s.traces(2, "A", zip, "a")
		s.ends(8, 9, "A")
		marked(s, 10, 11, "a", "A")
	}
	for _, tt := range []struct {
		name string
		play func(*scene)
		want string
	}{
		{name: "an older copy", play: func(s *scene) {
			s.asks(500, "b", zip)
			marked(s, 501, 502, "b", "A")
		}, want: "hit"},
		{name: "its own fetch, though the file was there before", play: func(s *scene) {
			s.asks(500, "b", zip)
			s.traces(501, "B", zip, "b")
			s.ends(540, 541, "B")
			marked(s, 542, 543, "b", "B")
		}, want: "miss"},
		{name: "an older copy, held back until it is renewed", play: func(s *scene) {
			s.asks(500, "b", zip)
			s.traces(501, "B", zip, "b")
			s.ends(540, 541, "B")
			marked(s, 542, 543, "b", "A")
		}, want: "stale"},
		{name: "an older copy, renewed behind the answer", play: func(s *scene) {
			s.asks(500, "b", zip)
			marked(s, 501, 502, "b", "A")
			s.traces(503, "B", zip, "b")
			s.ends(540, 541, "B")
		}, want: "stale"},
		{name: "an older copy, for its own fetch failed", play: func(s *scene) {
			s.asks(500, "b", zip)
			s.traces(501, "B", zip, "b")
			s.endsWith(540, 541, "B", 500)
			marked(s, 542, 543, "b", "A")
		}, want: "stale"},
		{name: "revalidated", play: func(s *scene) {
			s.asks(500, "b", zip)
			s.traces(501, "B", zip, "b")
			s.endsWith(540, 541, "B", 304)
			marked(s, 542, 543, "b", "A")
		}, want: "revalidated"},
		{name: "another's fetch", play: func(s *scene) {
			s.asks(500, "c", zip)
			s.traces(501, "C", zip, "c")
			s.asks(510, "b", zip)
			s.ends(560, 561, "C")
			marked(s, 562, 563, "c", "C")
			marked(s, 562, 563, "b", "C")
		}, want: "coalesced, 1 linked"},
		{name: "while another's fetch renews it", play: func(s *scene) {
			s.asks(500, "c", zip)
			s.traces(501, "C", zip, "c")
			s.asks(510, "b", zip)
			marked(s, 511, 512, "b", "A")
			s.ends(560, 561, "C")
			marked(s, 562, 563, "c", "A")
		}, want: "stale"},
		{name: "expired or not, as another's fetch begins?", play: func(s *scene) {
			s.asks(500, "b", zip)
			marked(s, 501, 502, "b", "A")
			s.asks(501, "c", zip)
			s.traces(503, "C", zip, "c")
			s.ends(560, 561, "C")
			marked(s, 562, 563, "c", "A")
		}, want: "unknown, 1 linked"},
		{name: "the mark of another Modtap, and none of ours", play: func(s *scene) {
			s.asks(500, "b", zip)
			s.traces(501, "B", zip, "b")
			s.ends(540, 541, "B")
			s.endsWith(542, 543, "b", 200, "Cache-Status", cacheheader.Mark("egress-of-another", span("B").SpanID))
		}, want: "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := new(scene)
			cold(s)
			tt.play(s)
			s.sort()
			assert.Equal(t, tt.want, s.verdicts(JoinSettings{Mark: "egress"})["b"])
		})
	}
}
