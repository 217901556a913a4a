// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestTruth has each kind of verdict that was once wrong.
func TestTruth(t *testing.T) {
	const (
		info   = "/example.com/m/@v/v1.0.0.info"
		next   = "/example.com/m/@v/v1.0.1.zip"
		list   = "/example.com/m/@v/list"
		lookup = "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0"
		tile   = "/sumdb/sum.golang.org/tile/8/0/001"
	)
	// trio lets a proxy that fetches whole versions fetch one for first, in 60 ms.
	trio := func(s *scene, at exchangeTime, first, path string) {
		s.asks(at, first, path)
		for i, file := range []string{info, mod, zip} {
			from := at + 20*exchangeTime(i)
			s.fetches(from+1, first+file, file, first)
			s.ends(from+18, from+19, first+file)
		}
		s.ends(at+65, at+66, first)
	}
	one := func(s *scene, at exchangeTime, name, path string) { // a proxy that fetches files one by one
		s.asks(at, name, path)
		s.traces(at+1, "f"+name, path, name)
		s.ends(at+8, at+9, "f"+name)
		s.ends(at+10, at+11, name)
	}
	served := func(s *scene, at exchangeTime, name, path string, status int, headers ...string) {
		s.asks(at, name, path)
		s.endsWith(at+1, at+2, name, status, headers...)
	}
	none := "none"
	for _, tt := range []struct {
		name     string
		settings JoinSettings
		play     func(*scene)
		want     map[string]string
	}{
		{name: "case W1: the proxy dials the database itself", play: func(s *scene) {
			trio(s, 1, "a", info)
			served(s, 200, "b", lookup, 200)
			served(s, 300, "c", lookup, 200)
		}, want: map[string]string{"a": "miss", "b": "", "c": ""}},
		{name: "case W1: it passes look-ups on", play: func(s *scene) {
			one(s, 1, "a", lookup)
			served(s, 200, "b", lookup, 200)
			served(s, 300, "c", "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.1", 200)
			one(s, 400, "d", tile)
			served(s, 500, "e", tile, 200)
		}, want: map[string]string{"a": "miss", "b": "hit", "c": "", "d": "miss", "e": "hit"}},
		{name: "case W2: its own go command asks for the same tile at that moment", play: func(s *scene) {
			s.asks(1, "a", tile)
			s.fetches(2, "f", tile, "a")
			s.ends(3, 4, "f")
			s.ends(6, 7, "a")
		}, want: map[string]string{"a": ", 1 linked"}},
		{name: "case W3: no hit without an answer", settings: JoinSettings{UnseenPatterns: &none}, play: func(s *scene) {
			trio(s, 1, "a", info)
			for i, status := range []int{302, 400, 401, 403, 404, 410, 429, 500, 502, 504} {
				served(s, exchangeTime(200+10*i), string(rune('b'+i)), mod, status)
			}
			served(s, 400, "z", mod, 304)
		}, want: map[string]string{
			"a": "miss", "b": "unknown", "c": "unknown", "d": "unknown", "e": "unknown", "f": "unknown", "g": "unknown",
			"h": "unknown", "i": "unknown", "j": "unknown", "k": "unknown", "z": "hit",
		}},
		{name: "case W3: but if it says so", play: func(s *scene) {
			served(s, 1, "a", mod, 404, "X-Cache-Status", "HIT")
		}, want: map[string]string{"a": "hit"}},
		{name: "case W4: a file and the query for its version are one", play: func(s *scene) {
			s.asks(1, "a", "/example.com/m/@v/v99.0.0.zip")
			s.fetches(2, "f", "/example.com/m/@v/v99.0.0.info", "a")
			s.endsWith(3, 4, "f", 404)
			s.endsWith(6, 7, "a", 404)
		}, want: map[string]string{"a": "miss"}},
		{name: "case W5: another version came past us", play: func(s *scene) {
			trio(s, 1, "a", info)
			served(s, 200, "b", mod, 200)
			served(s, 300, "c", next, 200)
			served(s, 310, "d", next, 200)
			served(s, 320, "e", mod, 200) // what was known before has to be seen again
			served(s, 330, "f", mod, 200)
		}, want: map[string]string{"a": "miss", "b": "hit", "c": "unknown", "d": "hit", "e": "unknown", "f": "hit"}},
		{name: "case W5: nothing goes past us", settings: JoinSettings{UnseenPatterns: &none}, play: func(s *scene) {
			trio(s, 1, "a", info)
			served(s, 300, "c", next, 200)
		}, want: map[string]string{"a": "miss", "c": "hit"}},
		{name: "case W5: it says that it fetched, and not through us", settings: JoinSettings{UnseenPatterns: &none}, play: func(s *scene) {
			one(s, 1, "a", zip)
			served(s, 100, "b", zip, 200, "X-Cache-Status", "MISS")
			served(s, 200, "c", zip, 200)
		}, want: map[string]string{"a": "miss", "b": "miss", "c": "unknown"}},
		{name: "case W6: stale while it is renewed", play: func(s *scene) {
			one(s, 1, "a", zip)
			s.asks(100, "b", zip)
			s.traces(101, "g", zip, "b")
			s.ends(105, 106, "g")
			s.endsWith(107, 108, "b", 200, "X-Cache-Status", "STALE")
			s.asks(200, "c", zip) // the same without a word
			s.traces(201, "h", zip, "c")
			s.ends(205, 206, "h")
			s.ends(207, 208, "c")
		}, want: map[string]string{"a": "miss", "b": "stale", "c": "unknown"}},
		{name: "case W6: answered before its own fetch is", play: func(s *scene) {
			one(s, 1, "a", zip)
			s.asks(100, "b", zip)
			s.traces(101, "g", zip, "b")
			s.ends(103, 104, "b")
			s.ends(150, 160, "g")
		}, want: map[string]string{"a": "miss", "b": "unknown"}},
		{name: "case W6: a word that it passes on isn't its own", play: func(s *scene) {
			s.asks(1, "a", zip)
			s.traces(2, "f", zip, "a")
			s.endsWith(8, 9, "f", 200, "X-Cache", "REVALIDATED")
			s.endsWith(10, 11, "a", 200, "X-Cache", "REVALIDATED")
			served(s, 200, "b", zip, 200, "X-Cache", "REVALIDATED")
		}, want: map[string]string{"a": "miss", "b": "hit"}},
		{name: "case W7: another's download", play: func(s *scene) {
			trio(s, 1, "a", info)
			s.asks(1000, "b", info) // only .info is gone
			s.fetches(1001, "1", info, "b")
			s.ends(1008, 1009, "1")
			s.asks(1020, "c", mod)
			s.fetches(1021, "2", mod, "c") // as it seems
			s.ends(1025, 1026, "2")
			s.ends(1027, 1028, "c")
			s.fetches(1029, "3", zip, "b")
			s.ends(1090, 1095, "3")
			s.ends(1099, 1100, "b")
		}, want: map[string]string{"a": "miss", "b": "miss evicted", "c": "hit"}},
		{name: "case W8: after the fetch", play: func(s *scene) {
			s.asks(1, "a", zip)
			s.traces(2, "f", zip, "a")
			s.ends(70, 80, "f")
			s.ends(81, 400, "a") // a slow client
			served(s, 82, "b", zip, 200)
			served(s, 100, "c", zip, 200)
		}, want: map[string]string{"a": "miss", "b": "hit", "c": "hit"}},
		{name: "case W9: evicted, or no reason", play: func(s *scene) {
			trio(s, 1, "a", info)
			served(s, 200, "b", mod, 200)
			trio(s, 3000, "c", mod)
		}, want: map[string]string{"a": "miss", "b": "hit", "c": "miss evicted"}},
		{name: "case W9: the proxy says that it had expired", play: func(s *scene) {
			one(s, 1, "a", zip)
			s.asks(100, "b", zip)
			s.traces(101, "g", zip, "b")
			s.ends(105, 106, "g")
			s.endsWith(107, 108, "b", 200, "X-Cache-Status", "EXPIRED")
		}, want: map[string]string{"a": "miss", "b": "miss expired"}},
		{name: "case W10: the list while the upstream fails", play: func(s *scene) {
			one(s, 1, "a", list)
			for i, status := range []int{500, 503, 0, 404} {
				name := string(rune('b' + i))
				s.asks(exchangeTime(100*(i+1)), name, list)
				s.fetches(exchangeTime(100*(i+1)+1), "f"+name, list, name)
				s.endsWith(exchangeTime(100*(i+1)+2), exchangeTime(100*(i+1)+3), "f"+name, status)
				s.ends(exchangeTime(100*(i+1)+5), exchangeTime(100*(i+1)+6), name)
			}
		}, want: map[string]string{"a": "bypass", "b": "stale", "c": "stale", "d": "stale", "e": "unknown"}},
		{name: "case W10: @latest is answered from a list", play: func(s *scene) {
			s.asks(1, "a", "/example.com/m/@latest")
			s.fetches(2, "f", list, "a")
			s.ends(3, 4, "f")
			s.ends(5, 6, "a")
		}, want: map[string]string{"a": "bypass"}},
		{name: "case W11: revalidated", play: func(s *scene) {
			one(s, 1, "a", zip)
			s.asks(100, "b", zip)
			s.traces(101, "g", zip, "b")
			s.endsWith(105, 106, "g", 304)
			s.ends(107, 108, "b")
			s.asks(200, "c", zip) // the client's own condition, or the proxy's?
			s.traces(201, "h", zip, "c")
			s.endsWith(205, 206, "h", 304)
			s.endsWith(207, 208, "c", 304)
		}, want: map[string]string{"a": "miss", "b": "revalidated", "c": "unknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := new(scene)
			tt.play(s)
			s.sort()
			assert.Equal(t, tt.want, s.verdicts(tt.settings))
		})
	}
}
