// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cacheheader

import (
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

// lines makes header lines of "Name: value" strings.
func lines(raw ...string) (headers []exchange.Header) {
	for _, line := range raw {
		name, value, _ := strings.Cut(line, ": ")
		headers = append(headers, exchange.Header{Name: name, Value: value})
	}
	return headers
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []exchange.Header
		want    Evidence
	}{
		{"nothing", nil, Evidence{}},
		{"foreign header", lines("Etag: HIT"), Evidence{}},
		{"names alone", lines("X-Served-By: cache-sjc3120-SJC"), Evidence{}},

		{"nginx hit", lines("X-Cache-Status: HIT"), Evidence{Result: "hit", Header: "X-Cache-Status"}},
		{"nginx miss", lines("X-Cache-Status: MISS"), Evidence{Result: "miss", Header: "X-Cache-Status"}},
		{"nginx expired", lines("X-Cache-Status: EXPIRED"), Evidence{Result: "miss", MissReason: "expired", Header: "X-Cache-Status"}},
		{"nginx stale", lines("X-Cache-Status: STALE"), Evidence{Result: "stale", Header: "X-Cache-Status"}},
		{"nginx updating", lines("X-Cache-Status: UPDATING"), Evidence{Result: "stale", Header: "X-Cache-Status"}},
		{"nginx revalidated", lines("X-Cache-Status: REVALIDATED"), Evidence{Result: "revalidated", Header: "X-Cache-Status"}},
		{"nginx bypass", lines("X-Cache-Status: BYPASS"), Evidence{Result: "bypass", Header: "X-Cache-Status"}},
		{"nginx before nginx", lines("X-Cache-Status: MISS", "X-Cache-Status: HIT"), Evidence{Result: "hit", Header: "X-Cache-Status"}},
		{"nginx under another name", lines("X-Proxy-Cache: HIT"), Evidence{Result: "hit", Header: "X-Proxy-Cache"}},

		{"Cloudflare hit with its age", lines("Cf-Cache-Status: HIT", "Age: 77"), Evidence{Result: "hit", Header: "Cf-Cache-Status"}},
		{"Cloudflare dynamic", lines("Cf-Cache-Status: DYNAMIC"), Evidence{Result: "bypass", Header: "Cf-Cache-Status"}},
		{"Cloudflare tells nothing", lines("Cf-Cache-Status: NONE/UNKNOWN"), Evidence{}},

		{"CloudFront hit", lines("X-Cache: Hit from cloudfront"), Evidence{Result: "hit", Header: "X-Cache", Cache: "cloudfront"}},
		{"CloudFront refresh hit", lines("X-Cache: RefreshHit from cloudfront"), Evidence{Result: "revalidated", Header: "X-Cache", Cache: "cloudfront"}},
		{"CloudFront error", lines("X-Cache: Error from cloudfront"), Evidence{}},
		{"Akamai", lines("X-Cache: TCP_MEM_HIT from a69-174-50-208 (AkamaiGHost/5.7.2-5726413) (-)"), Evidence{Result: "hit", Header: "X-Cache", Cache: "a69-174-50-208"}},
		{"Akamai stale", lines("X-Cache: TCP_REFRESH_FAIL_HIT from a1"), Evidence{Result: "stale", Header: "X-Cache", Cache: "a1"}},
		{"Azure not cached", lines("X-Cache: CONFIG_NOCACHE"), Evidence{Result: "bypass", Header: "X-Cache"}},
		{"Azure N/A", lines("X-Cache: N/A"), Evidence{}},
		{"Apache", lines("X-Cache: REVALIDATE from proxy.example"), Evidence{Result: "revalidated", Header: "X-Cache", Cache: "proxy.example"}},

		{
			"Fastly, miss at the shield, hit at the edge",
			lines("X-Cache: MISS, HIT", "X-Cache-Hits: 0, 1", "X-Served-By: cache-iad2120-IAD, cache-sjc3120-SJC"),
			Evidence{Result: "hit", Header: "X-Cache", Cache: "cache-sjc3120-SJC"},
		},
		{
			"Fastly, hit at the shield, miss at the edge",
			lines("X-Cache: HIT, MISS", "X-Cache-Hits: 1, 0", "X-Served-By: cache-iad2120-IAD, cache-sjc3120-SJC", "Age: 4"),
			Evidence{Result: "miss", Header: "X-Cache", Cache: "cache-sjc3120-SJC"},
		},
		{"Fastly, made at the edge", lines("X-Cache: HIT", "X-Cache-Hits: 0"), Evidence{Result: "hit", Header: "X-Cache"}},
		{"hits alone", lines("X-Cache-Hits: 0, 12"), Evidence{Result: "hit", Header: "X-Cache-Hits"}},
		{"no hits alone", lines("X-Cache-Hits: 12, 0"), Evidence{}},
		{"hits are no number", lines("X-Cache-Hits: many"), Evidence{}},

		{"Varnish hit", lines("X-Varnish: 1003 1002"), Evidence{Result: "hit", Header: "X-Varnish"}},
		{"Varnish miss", lines("X-Varnish: 1001"), Evidence{Result: "miss", Header: "X-Varnish"}},
		{"Varnish before Varnish", lines("X-Varnish: 1003 1002", "X-Varnish: 77"), Evidence{Result: "miss", Header: "X-Varnish"}},
		{"Varnish, lines joined", lines("X-Varnish: 1001, 77 12"), Evidence{Result: "hit", Header: "X-Varnish"}},
		{"Varnish, three ids", lines("X-Varnish: 1 2 3"), Evidence{}},
		{"Varnish, no ids", lines("X-Varnish: hello world"), Evidence{}},
		{"VCL says pass", lines("X-Cache: pass", "X-Varnish: 1003"), Evidence{Result: "bypass", Header: "X-Cache"}},

		{"age", lines("Age: 600"), Evidence{Result: "hit", Header: "Age", Weak: true}},
		{"age zero", lines("Age: 0"), Evidence{}},
		{"age list", lines("Age: 0, 600"), Evidence{}},
		{"age negative", lines("Age: -5"), Evidence{}},
		{"age beyond all integers", lines("Age: 99999999999999999999999"), Evidence{Result: "hit", Header: "Age", Weak: true}},
		{"age of an upstream's cache contradicts no miss", lines("X-Cache-Status: MISS", "Age: 600"), Evidence{Result: "miss", Header: "X-Cache-Status"}},

		{"the standard wins", lines("X-Cache: MISS", "Cache-Status: here; fwd=bypass"), Evidence{Result: "bypass", Header: "Cache-Status", Cache: "here"}},
		{
			"the standard may be an upstream's", lines("X-Cache-Status: MISS", "Cache-Status: upstream; hit"),
			Evidence{Result: "hit", Header: "Cache-Status", Cache: "upstream", Weak: true},
		},
		{"an empty standard doesn't", lines("Cache-Status: here", "X-Cache: MISS"), Evidence{Result: "miss", Header: "X-Cache"}},
		{"an empty line isn't nearer", lines("X-Cache: HIT", "X-Cache:  "), Evidence{Result: "hit", Header: "X-Cache"}},
		{"empty members", lines("X-Cache: MISS, HIT, ,"), Evidence{Result: "hit", Header: "X-Cache"}},
		{"cut by the record", lines("X-Cache: MISS, MISS, HIT…"), Evidence{}},
		{"cut, an earlier line isn't nearer", lines("X-Cache: HIT", "X-Cache: MISS, …"), Evidence{}},
		{"cut, another header still tells", lines("Cache-Status: a; hit; key=…", "X-Cache: MISS"), Evidence{Result: "miss", Header: "X-Cache"}},

		{"Varnish contradicts its VCL", lines("X-Cache: HIT", "X-Varnish: 1001"), Evidence{Result: "hit", Header: "X-Cache", Conflict: true}},
		{"hits contradict a miss", lines("X-Cache: MISS", "X-Cache-Hits: 3"), Evidence{Result: "miss", Header: "X-Cache", Conflict: true}},
		{
			"one name, two stories", lines("Cache-Status: proxy.example; hit", "X-Cache: MISS from Proxy.example"),
			Evidence{Result: "hit", Header: "Cache-Status", Cache: "proxy.example", Conflict: true},
		},
		{
			"Squid calls a revalidated answer a hit", lines("Cache-Status: p; fwd=stale; fwd-status=304", "X-Cache: HIT from p"),
			Evidence{Result: "revalidated", Header: "Cache-Status", Cache: "p"},
		},
		{
			"one story, two words", lines("X-Cache: UPDATING", "X-Cache-Hits: 3"),
			Evidence{Result: "stale", Header: "X-Cache"},
		},
		{
			"a CDN before Varnish is another cache", lines("X-Cache: Hit from cloudfront", "X-Varnish: 1001"),
			Evidence{Result: "hit", Header: "X-Cache", Cache: "cloudfront", Weak: true},
		},
		{
			"nginx and Cloudflare disagree: which is nearer?", lines("X-Cache-Status: HIT", "Cf-Cache-Status: MISS"),
			Evidence{Result: "hit", Header: "X-Cache-Status", Weak: true},
		},
		{
			"nginx and Cloudflare agree", lines("X-Cache-Status: HIT", "Cf-Cache-Status: HIT"),
			Evidence{Result: "hit", Header: "X-Cache-Status"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, Read(tt.headers)) })
	}
}

func TestNames(t *testing.T) {
	names := Names()
	assert.Equal(t, []string{
		"Cache-Status", "X-Cache-Status", "X-Proxy-Cache", "X-Cache", "X-Served-By",
		"X-Cache-Hits", "Cf-Cache-Status", "X-Varnish", "Age",
	}, names)
	for _, name := range names {
		assert.Equal(t, textproto.CanonicalMIMEHeaderKey(name), name)
	}
	assert.True(t, slices.IsSortedFunc(sources[:], func(a, b source) int { return int(a.rank) - int(b.rank) }), "the first that tells is the strongest")
}

func FuzzRead(f *testing.F) {
	f.Add("Cache-Status: a; hit\nX-Cache: MISS\nAge: 5")
	f.Add("X-Cache: MISS, HIT\nX-Cache-Hits: 0, 1\nX-Served-By: s, e")
	f.Add("X-Varnish: 12 7\nX-Cache: HIT\nx-cache-status: UPDATING")
	f.Add("Cf-Cache-Status: NONE/UNKNOWN\nAge: 0, 1\nCache-Status: \"a\\\"\"; fwd=stale; fwd-status=304")
	results := []exchange.CacheResult{"hit", "miss", "stale", "revalidated", "coalesced", "bypass"}
	f.Fuzz(func(t *testing.T, raw string) {
		headers := lines(strings.Split(raw, "\n")...)
		e := Read(headers)
		if e.Result == "" {
			require.Equal(t, Evidence{}, e)
		} else {
			require.Contains(t, results, e.Result)
			require.Contains(t, Names(), e.Header)
		}
		if e.MissReason != "" {
			require.Equal(t, exchange.Miss, e.Result)
		}
		// The slow way: each header on its own; the first that tells has decided.
		first := Evidence{}
		for i := range sources {
			alone := slices.DeleteFunc(slices.Clone(headers), func(h exchange.Header) bool {
				return !strings.EqualFold(h.Name, sources[i].header) && !strings.EqualFold(h.Name, sources[i].namedBy)
			})
			if first = Read(alone); first.Result != "" && first.Header == sources[i].header {
				break
			}
		}
		require.Equal(t, first.Result, e.Result)
		require.Equal(t, first.Header, e.Header)
		require.Equal(t, first.Cache, e.Cache)
		require.False(t, first.Conflict && !e.Conflict)
	})
}

func BenchmarkRead(b *testing.B) {
	headers := lines("X-Cache: MISS, HIT", "X-Served-By: cache-iad2120-IAD, cache-sjc3120-SJC", "X-Cache-Hits: 0, 1", "Age: 5")
	b.ReportAllocs()
	for b.Loop() {
		Read(headers)
	}
}
