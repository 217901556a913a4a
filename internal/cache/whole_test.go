// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
)

// TestWhoseDownload has a proxy that fetches whole versions, and what can and can't be
// known of who asks while it does.
func TestWhoseDownload(t *testing.T) {
	const (
		info = "/example.com/m/@v/v1.0.0.info"
		main = "/example.com/m/@v/main.info"
		near = "/example.com/near/@v/v1.0.0.mod"
	)
	// fetch lets the proxy fetch a version, from a time in ms on, in 200 ms. InFlight takes it for cause's.
	fetch := func(s *scene, at exchangeTime, name, cause string) {
		for i, file := range []string{info, mod, zip} {
			from := at + 60*exchangeTime(i)
			s.fetches(from, name+file, file, cause)
			s.ends(from+50, from+55, name+file)
		}
	}
	// stored is a version that the proxy has, and is known to fetch whole.
	stored := func(s *scene) {
		s.asks(1, "a", info)
		fetch(s, 20, "A", "a")
		s.ends(210, 211, "a")
	}
	known := map[string]string{"a": "miss"}
	// overtaken lets others be answered before a time.
	overtaken := func(s *scene, at exchangeTime) {
		for i, name := range []string{"near1", "near2"} {
			s.asks(at+exchangeTime(i), name, near)
			s.ends(at+2+exchangeTime(i), at+3+exchangeTime(i), name)
		}
	}
	for _, tt := range []struct {
		name string
		play func(*scene)
		want map[string]string
	}{
		{name: "stored, asked while the version is fetched for another, and answered at once", play: func(s *scene) {
			s.asks(2000, "b", zip)
			fetch(s, 2030, "B", "b")
			s.asks(2050, "c", mod)
			s.ends(2052, 2053, "c")
			s.ends(2220, 2221, "b")
		}, want: map[string]string{"b": "miss evicted", "c": "hit"}},
		{name: "the same, and its own file is fetched as it comes", play: func(s *scene) {
			s.asks(2000, "b", zip)
			s.asks(2029, "c", info)
			fetch(s, 2030, "B", "c") // as it seems
			s.ends(2090, 2091, "c")
			s.ends(2220, 2221, "b")
		}, want: map[string]string{"b": "miss evicted", "c": "hit"}},
		{name: "stored or not, and answered after it: nobody knows", play: func(s *scene) {
			s.asks(2000, "b", zip)
			s.asks(2001, "c", info)
			fetch(s, 2030, "B", "c")
			s.ends(2220, 2221, "b")
			s.ends(2221, 2222, "c")
		}, want: map[string]string{"b": "unknown, 1 linked", "c": "unknown, 1 linked"}},
		{name: "it was overtaken, so the proxy had looked for it", play: func(s *scene) {
			s.asks(2000, "b", zip)
			fetch(s, 2030, "B", "b")
			s.asks(2040, "c", zip)
			s.asks(2041, "d", info)
			overtaken(s, 2100)
			s.ends(2220, 2221, "b")
			s.ends(2221, 2222, "c")
			s.ends(2110, 2111, "d") // it had that one
		}, want: map[string]string{"b": "miss evicted", "c": "coalesced, 1 linked", "d": "hit", "near1": "unknown", "near2": "unknown"}},
		{name: "evicted, and fetched for another a moment after it had been fetched before", play: func(s *scene) {
			s.asks(400, "b", zip)
			fetch(s, 420, "B", "b")
			s.asks(440, "c", zip)
			overtaken(s, 500)
			s.ends(620, 621, "b")
			s.ends(621, 622, "c")
		}, want: map[string]string{"b": "miss", "c": "coalesced, 1 linked", "near1": "unknown", "near2": "unknown"}},
		{name: "the end of the download is recorded late, behind the answer of who caused it", play: func(s *scene) {
			s.asks(2000, "b", zip)
			s.fetches(2020, "i", info, "b")
			s.ends(2023, 2024, "i")
			s.fetches(2030, "m", mod, "b")
			s.ends(2033, 2034, "m")
			s.asks(2040, "c", zip)
			s.fetches(2062, "z", zip, "b")
			s.ends(2064, 2120, "z")
			s.ends(2085, 2086, "b")
			s.ends(2130, 2131, "c")
		}, want: map[string]string{"b": "unknown, 1 linked", "c": "unknown, 1 linked"}},
		{name: "another's, who left", play: func(s *scene) {
			s.asks(2000, "b", zip)
			fetch(s, 2030, "B", "b")
			s.ends(0, 2070, "b")
			s.asks(2080, "c", zip) // from now on InFlight takes what is fetched for its own
			overtaken(s, 2130)
			s.ends(2230, 2231, "c")
		}, want: map[string]string{"b": "miss", "c": "coalesced, 1 linked", "near1": "unknown", "near2": "unknown"}},
		{name: "who left may still be the cause", play: func(s *scene) {
			s.asks(2000, "b", zip)
			s.ends(0, 2020, "b")
			s.asks(2021, "c", zip)
			fetch(s, 2060, "C", "c")
			s.ends(2250, 2251, "c")
		}, want: map[string]string{"b": "unknown", "c": "unknown, 1 linked"}},
		{name: "but not for ever", play: func(s *scene) {
			s.asks(2000, "b", mod)
			s.ends(0, 2020, "b")
			s.asks(40_000, "c", zip)
			fetch(s, 40_030, "C", "c")
			s.ends(40_250, 40_251, "c")
		}, want: map[string]string{"b": "unknown", "c": "miss"}},
		{name: "a query of the module may be the cause", play: func(s *scene) {
			s.asks(2000, "b", main)
			s.asks(2001, "c", zip)
			fetch(s, 2030, "C", "c")
			s.ends(2220, 2221, "c")
			s.ends(2221, 2222, "b")
		}, want: map[string]string{"b": "unknown", "c": "unknown, 1 linked"}},
		{name: "it came while the version was being stored", play: func(s *scene) {
			s.asks(2000, "b", zip)
			fetch(s, 2030, "B", "b")
			s.asks(2210, "c", zip)
			s.ends(2220, 2221, "b")
			s.ends(2220, 2221, "c")
		}, want: map[string]string{"b": "miss", "c": "unknown, 1 linked"}},
		{name: "refused beside others", play: func(s *scene) {
			s.asks(2000, "b", zip)
			s.asks(2001, "c", zip)
			s.fetches(2030, "B", info, "b")
			s.endsWith(2040, 2041, "B", 500)
			s.endsWith(2050, 2051, "b", 404)
			s.endsWith(2050, 2051, "c", 404)
		}, want: map[string]string{"b": "unknown, 1 linked", "c": "unknown, 1 linked"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := new(scene)
			stored(s)
			tt.play(s)
			s.sort()
			want := maps.Clone(known)
			maps.Copy(want, tt.want)
			assert.Equal(t, want, s.verdicts(JoinSettings{}))
		})
	}
}

// TestNobodyAnswered: what the client was sent is ours, or nothing.
func TestNobodyAnswered(t *testing.T) {
	for _, disposition := range []exchange.Disposition{exchange.Complete, exchange.UpstreamBroke} {
		s := new(scene)
		s.asks(1, "a", zip)
		s.fetches(2, "f", zip, "a")
		s.ends(3, 4, "f")
		s.endsWith(5, 6, "a", 502)
		end := s.records[len(s.records)-1].End
		end.Disposition, end.Attempts = disposition, []exchange.Attempt{{Start: 1 * ms, Error: "connection_reset"}}
		assert.Equal(t, map[string]string{"a": "unknown"}, s.verdicts(JoinSettings{}), "%v", disposition)
	}
}
