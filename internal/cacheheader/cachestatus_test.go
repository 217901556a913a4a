// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cacheheader

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCacheStatus(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       said
	}{
		// RFC 9211 section 2 and its examples (section 3).
		{"hit", "ExampleCache; hit", said{result: "hit", cache: "ExampleCache"}},
		{"hit with freshness", "ExampleCache; hit; ttl=376", said{result: "hit", cache: "ExampleCache"}},
		{"stale hit", "ExampleCache; hit; ttl=-412", said{result: "stale", cache: "ExampleCache"}},
		{"detail", `ExampleCache; hit; ttl=30; detail=MEMORY`, said{result: "hit", cache: "ExampleCache"}},
		{"miss", "ExampleCache; fwd=uri-miss; stored", said{result: "miss", cache: "ExampleCache"}},
		{"vary miss", "ExampleCache; fwd=vary-miss", said{result: "miss", cache: "ExampleCache"}},
		{"simple miss", "ExampleCache; fwd=miss", said{result: "miss", cache: "ExampleCache"}},
		{"partial", "ExampleCache; fwd=partial", said{result: "miss", cache: "ExampleCache"}},
		{"a reason yet to be registered", "ExampleCache; fwd=future", said{result: "miss", cache: "ExampleCache"}},
		{"collapsed", "ExampleCache; fwd=uri-miss; collapsed", said{result: "coalesced", cache: "ExampleCache"}},
		{"collapsed in vain", "ExampleCache; fwd=uri-miss; collapsed=?0", said{result: "miss", cache: "ExampleCache"}},
		{"revalidated", "ExampleCache; fwd=stale; fwd-status=304", said{result: "revalidated", cache: "ExampleCache"}},
		{"replaced", "ExampleCache; fwd=stale; fwd-status=200", said{result: "miss", reason: "expired", cache: "ExampleCache"}},
		{"stale and no more", "ExampleCache; fwd=stale", said{result: "miss", reason: "expired", cache: "ExampleCache"}},
		{"bypass", "ExampleCache; fwd=bypass; detail=\"too large; really, hit\"", said{result: "bypass", cache: "ExampleCache"}},
		{"method", "ExampleCache; fwd=method", said{result: "bypass", cache: "ExampleCache"}},
		{"request", "ExampleCache; fwd=request; fwd-status=304", said{result: "bypass", cache: "ExampleCache"}},
		{"origin first, nearest last", "OriginCache; hit; ttl=1100, \"CDN Company Here\"; fwd=uri-miss;ttl=1100", said{result: "miss", cache: "CDN Company Here"}},
		{"three", `ReverseProxyCache; hit, ForwardProxyCache; fwd=uri-miss; collapsed; stored, "Browser \"x\"" ; hit`, said{result: "hit", cache: `Browser "x"`}},

		{"no statement", "ExampleCache", said{}},
		{"statement of another kind", "ExampleCache; stored; ttl=5", said{}},
		{"nearest says nothing", "OriginCache; hit, Edge; detail=x", said{}},
		{"not hit", "ExampleCache; hit=?0", said{}},
		{"of two the last", "ExampleCache; hit; hit=?0; fwd=miss; fwd=bypass", said{result: "bypass", cache: "ExampleCache"}},
		{"wrong types", `ExampleCache; hit=1; fwd="miss"; ttl=-1.5`, said{}},
		{"collapsed with nothing", "ExampleCache; collapsed", said{}},
		{"number beyond the limit", "ExampleCache; hit; ttl=-1234567890123456", said{result: "hit", cache: "ExampleCache"}},
		{"contradicts itself", "ExampleCache; hit; fwd=uri-miss", said{result: "miss", cache: "ExampleCache", conflict: true}},
		{"name is no name", "12; hit", said{}},
		{"inner list", "(a;hit b);hit", said{}},
		{"string goes on", `"a"b; hit`, said{}},
		{"string with a wrong escape", `"a\b"; hit`, said{}},
		{"string ends in an escape", `"a\"; hit`, said{}},
		{"string doesn't end", `a; hit, b; detail="x`, said{}},
		{"empty members", "a; hit, ,", said{result: "hit", cache: "a"}},
		{"nothing but commas", " ,,", said{}},

		// As found: source code of Squid and Souin, README of simplecache.
		{"Squid hit", "proxy.example;hit;detail=match", said{result: "hit", cache: "proxy.example"}},
		{"Squid miss", "proxy.example;fwd=miss;detail=mismatch", said{result: "miss", cache: "proxy.example"}},
		{"Souin hit", "Souin; hit; ttl=4; key=GET-https-example.com-/m/@v/list?a=b c; detail=DEFAULT", said{result: "hit", cache: "Souin"}},
		{"Souin stale", "Souin; hit; ttl=-2; key=GET-https-example.com-/m/@v/list; detail=DEFAULT; fwd=stale", said{result: "stale", cache: "Souin"}},
		{"Souin stored", "Souin; fwd=uri-miss; stored; key=GET-https-example.com-/m/@v/list", said{result: "miss", cache: "Souin"}},
		{"Souin without a detail", "Souin; fwd=request; detail=", said{result: "bypass", cache: "Souin"}},
		{"simplecache", "hit", said{result: "hit"}},
		{"simplecache error", "error", said{}},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, readCacheStatus(tt.line)) })
	}
}

// The same grammar, written down a second time: slow, but easy to believe.
var (
	pieceForm   = regexp.MustCompile(`(?s)^((?:[^",;]|"(?:[^"\\]|\\.)*")*)([,;]|$)`)
	tokenForm   = regexp.MustCompile("^[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*$")
	stringForm  = regexp.MustCompile(`^"((?:[ !#-\[\]-~]|\\["\\])+)"$`)
	integerForm = regexp.MustCompile(`^-?[0-9]{1,15}$`)
)

func slowLastMember(line string) (member, bool) {
	var members [][]string
	var pieces []string
	for more := line != ""; more; {
		found := pieceForm.FindStringSubmatch(line)
		if found == nil {
			return member{}, false
		}
		line = line[len(found[0]):]
		pieces = append(pieces, strings.Trim(found[1], " \t"))
		if more = found[2] != ""; found[2] != ";" {
			members = append(members, pieces)
			pieces = nil
		}
	}
	for len(members) > 0 && len(members[len(members)-1]) == 1 && members[len(members)-1][0] == "" {
		members = members[:len(members)-1]
	}
	if len(members) == 0 {
		return member{}, false
	}
	last := members[len(members)-1]
	m := member{params: len(last) > 1}
	if tokenForm.MatchString(last[0]) {
		m.name = last[0]
	} else if s := stringForm.FindStringSubmatch(last[0]); s != nil {
		m.name = regexp.MustCompile(`\\(.)`).ReplaceAllString(s[1], "$1")
	}
	params := map[string]string{}
	for _, p := range last[1:] {
		key, value, valued := strings.Cut(p, "=")
		if !valued {
			value = "?1"
		}
		params[key] = value
	}
	m.hit, m.collapsed = params["hit"] == "?1", params["collapsed"] == "?1"
	if p := params["fwd"]; tokenForm.MatchString(p) {
		m.fwd = p
	}
	if p := params["fwd-status"]; integerForm.MatchString(p) {
		m.fwdStatus, _ = strconv.ParseInt(p, 10, 64)
	}
	if p := params["ttl"]; integerForm.MatchString(p) {
		m.ttl, _ = strconv.ParseInt(p, 10, 64)
	}
	return m, true
}

func FuzzLastMember(f *testing.F) {
	for _, seed := range []string{
		"ExampleCache; hit; ttl=-412", `a;fwd=stale;fwd-status=304, "b \"c\\"; fwd=uri-miss; collapsed`,
		"Souin; hit; key=GET-https-h-/m/@v/list; fwd=stale", "(a;x b);hit", `a; detail="`, ",;,", `"\`, "a; hit=?0;hit=?1,;hit", "hit", "é\xff;ttl=--1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		want, wantOK := slowLastMember(line)
		got, ok := lastMember(line)
		require.Equal(t, wantOK, ok)
		require.Equal(t, want, got)
	})
}
