// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package cacheheader reads what caches say of themselves in the header of an answer,
// and has the mark that the egress adds for them to keep.
package cacheheader

import (
	"slices"
	"strconv"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
)

// Evidence is what an answer's header tells of the cache nearest to us.
type Evidence struct {
	// Result is the cache's decision. Empty: the header tells nothing.
	Result exchange.CacheResult
	// MissReason is [exchange.MissExpired] for a miss of which that is told, else empty.
	MissReason string
	// Header is the canonical name of the header that told Result.
	Header string
	// Cache is the name that the cache gives itself. Empty: it gives none.
	Cache string
	// Weak is true where Result rests on Age alone, which any cache on the way
	// may have set, or where headers of different caches disagree: a cache may
	// have kept and passed on what its upstream said, and nothing tells which of
	// the two is nearer.
	Weak bool
	// Conflict is true where two headers of one cache contradict each other, or
	// one contradicts itself. Result is then what the stronger one tells.
	Conflict bool
}

// rank is how much a header is worth; a lower one wins.
type rank uint8

const (
	rankStandard rank = iota // a standard, made for this
	rankStatus               // a word that says what the cache did
	rankTrace                // ids, from which that can be concluded
	rankAge                  // some cache answered, at some time
)

// said is what one header tells.
type said struct {
	result   exchange.CacheResult
	reason   string // of a miss
	cache    string // the cache's name
	conflict bool   // it contradicts itself
}

// source is a header by which caches tell what they did.
type source struct {
	header string // canonical form
	rank   rank
	// cache groups headers that one unnamed cache sends together; empty: alone.
	cache string
	// namedBy is the header whose last member names the cache, if there is one.
	namedBy string
	// read reads the header's last line.
	read func(line string) said
}

const varnish = "varnish" // and what grew from it, such as Fastly

// sources has the strongest header first. Each cache appends its own line or
// list member, so that the last one is nearest to us:
//   - Cache-Status: RFC 9211 section 2.
//   - X-Cache-Status, X-Proxy-Cache: the usual names for nginx's
//     $upstream_cache_status; nginx adds its line behind those of its upstream.
//   - X-Cache, X-Cache-Hits, X-Served-By: Fastly lists the shield first, the edge
//     last (docs.fastly.com/en/guides/understanding-cache-hit-and-miss-headers-with-shielded-services).
//   - CF-Cache-Status: developers.cloudflare.com/cache/concepts/cache-responses.
//   - X-Varnish: cnt_deliver in varnishd's cache_req_fsm.c.
//   - Age: RFC 9111 section 5.1.
//
// Artifactory and Nexus document no such header.
var sources = [...]source{
	{"Cache-Status", rankStandard, "", "", readCacheStatus},
	{"X-Cache-Status", rankStatus, "", "", readWord},
	{"X-Proxy-Cache", rankStatus, "", "", readWord},
	{"X-Cache", rankStatus, varnish, "X-Served-By", readWord},
	{"X-Cache-Hits", rankStatus, varnish, "X-Served-By", readHits},
	{"Cf-Cache-Status", rankStatus, "", "", readWord},
	{"X-Varnish", rankTrace, varnish, "", readVarnish},
	{"Age", rankAge, "", "", readAge},
}

// Names returns the names, in canonical form, of the headers that
// [Read] reads, the strongest first.
func Names() []string {
	var names []string
	for i := range sources {
		for _, name := range []string{sources[i].header, sources[i].namedBy} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Read returns what the header lines of an answer, in the order received,
// tell of the cache nearest to us. A cache that says nothing itself and passes its
// upstream's headers on can't be told from one that speaks: what was seen on the
// egress side is stronger than this.
func Read(headers []exchange.Header) Evidence {
	var told [len(sources)]said
	best := -1
	for i := range sources {
		line := lastLine(headers, sources[i].header)
		if line == "" {
			continue
		}
		told[i] = sources[i].read(line)
		if told[i].result == "" {
			continue
		}
		if told[i].cache == "" && sources[i].namedBy != "" {
			told[i].cache = lastOf(lastLine(headers, sources[i].namedBy))
		}
		if best < 0 {
			best = i
		}
	}
	if best < 0 {
		return Evidence{}
	}
	e := Evidence{
		Result: told[best].result, MissReason: told[best].reason,
		Header: sources[best].header, Cache: told[best].cache,
		Weak: sources[best].rank == rankAge, Conflict: told[best].conflict,
	}
	for i := best + 1; i < len(sources); i++ {
		switch {
		case !contradict(told[best].result, told[i].result):
		case sameCache(best, i, &told):
			e.Conflict = true
		case sources[i].rank != rankAge:
			e.Weak = true
		}
	}
	return e
}

// contradict reports whether a and b can't both be true of one answer. A
// revalidated or coalesced one was in part each, and caches report it as either.
func contradict(a, b exchange.CacheResult) bool {
	return a.Kept() && fetched(b) || fetched(a) && b.Kept()
}

func fetched(r exchange.CacheResult) bool { return r == exchange.Miss || r == exchange.Bypass }

func sameCache(i, j int, told *[len(sources)]said) bool {
	if told[i].cache != "" || told[j].cache != "" {
		return strings.EqualFold(told[i].cache, told[j].cache)
	}
	return sources[i].cache != "" && sources[i].cache == sources[j].cache
}

// lastLine returns the last line of a header that isn't empty; it is empty where
// there is none, or where its end is missing: what is nearest to us stood there.
func lastLine(headers []exchange.Header, name string) string {
	for _, h := range slices.Backward(headers) {
		if !strings.EqualFold(h.Name, name) {
			continue
		}
		line := trim(h.Value)
		if strings.HasSuffix(line, exchange.CutMark) {
			return ""
		}
		if line != "" {
			return line
		}
	}
	return ""
}

// lastOf returns the last member of a list that isn't empty
// (RFC 9110 section 5.6.1.2).
func lastOf(list string) string {
	list = strings.TrimRight(list, ", \t")
	return trim(list[strings.LastIndexByte(list, ',')+1:])
}

// trim removes optional white space (RFC 9110 section 5.6.3).
func trim(s string) string { return strings.Trim(s, " \t") }

// words are the values of status headers, in lower case. What isn't here, such
// as "none/unknown" or "Error from cloudfront", tells nothing.
var words = map[string]said{
	// nginx.org/en/docs/http/ngx_http_upstream_module.html#var_upstream_cache_status
	"hit":         {result: exchange.Hit},
	"miss":        {result: exchange.Miss},
	"expired":     {result: exchange.Miss, reason: exchange.MissExpired},
	"stale":       {result: exchange.Stale},
	"updating":    {result: exchange.Stale}, // sent while a new one is fetched
	"revalidated": {result: exchange.Revalidated},
	"bypass":      {result: exchange.Bypass},
	// developers.cloudflare.com/cache/concepts/cache-responses; the others as nginx
	"dynamic": {result: exchange.Bypass},
	// docs.aws.amazon.com/AmazonCloudFront, x-edge-result-type
	"refreshhit":      {result: exchange.Revalidated},
	"originshieldhit": {result: exchange.Hit},
	// httpd.apache.org/docs/2.4/mod/mod_cache.html#cacheheader
	"revalidate": {result: exchange.Revalidated},
	// techdocs.akamai.com/edge-diagnostics/docs/pragma-headers, once Squid's log tags
	"tcp_hit":              {result: exchange.Hit},
	"tcp_mem_hit":          {result: exchange.Hit},
	"tcp_ims_hit":          {result: exchange.Hit},
	"tcp_negative_hit":     {result: exchange.Hit},
	"tcp_refresh_hit":      {result: exchange.Revalidated},
	"tcp_refresh_fail_hit": {result: exchange.Stale},
	"tcp_refresh_miss":     {result: exchange.Miss, reason: exchange.MissExpired},
	"tcp_miss":             {result: exchange.Miss},
	// learn.microsoft.com/azure/cdn/cdn-msft-http-debug-headers
	"tcp_remote_hit":  {result: exchange.Hit},
	"private_nostore": {result: exchange.Bypass},
	"config_nocache":  {result: exchange.Bypass},
	// what VCL usually writes where vcl_pass ran
	"pass": {result: exchange.Bypass},
}

// readWord reads a status word, which a name may follow: "HIT", "HIT, MISS",
// "Hit from cloudfront", "TCP_MEM_HIT from a1-2-3-4 (AkamaiGHost/5.7) (-)".
func readWord(line string) said {
	word, rest, _ := strings.Cut(lastOf(line), " ")
	s := words[strings.ToLower(word)]
	if name, ok := strings.CutPrefix(trim(rest), "from "); ok && s.result != "" {
		s.cache, _, _ = strings.Cut(trim(name), " ")
	}
	return s
}

// readHits reads Varnish's obj.hits. Zero is no miss for sure: an answer that
// the cache made itself has no hits either.
func readHits(line string) said {
	if n, err := strconv.ParseUint(lastOf(line), 10, 64); err == nil && n > 0 {
		return said{result: exchange.Hit}
	}
	return said{}
}

// readVarnish reads Varnish's transaction ids: its own and, on a hit, that of the
// fetch that brought the object. A VCL whose vcl_hit passes on is the exception
// that it can't tell; the status headers outrank it.
func readVarnish(line string) said {
	first, second, two := strings.Cut(lastOf(line), " ")
	if _, err := strconv.ParseUint(first, 10, 64); err != nil {
		return said{}
	}
	if !two {
		return said{result: exchange.Miss}
	}
	if _, err := strconv.ParseUint(trim(second), 10, 64); err != nil {
		return said{}
	}
	return said{result: exchange.Hit}
}

// readAge reads delta-seconds. Zero tells nothing: a cache may add it to what it
// has just fetched. Of a list the first member counts.
func readAge(line string) said {
	first, _, _ := strings.Cut(line, ",")
	if strings.Trim(trim(first), "0123456789") == "" && strings.Trim(trim(first), "0") != "" {
		return said{result: exchange.Hit}
	}
	return said{}
}
