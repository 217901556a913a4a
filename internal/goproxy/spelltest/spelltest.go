// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package spelltest writes paths in the many ways that there are, for tests of what
// reads them, and has an opinion of its own on what others may read in a path,
// beside [github.com/modtap/modtap/internal/goproxy.Fold].
package spelltest

import (
	"math/rand/v2"
	"net/url"
	"path"
	"strings"
)

// Speller writes request targets. The same seed gives the same targets.
type Speller struct{ *rand.Rand }

// New returns a Speller.
func New(seed uint64) Speller { return Speller{rand.New(rand.NewPCG(seed, seed+1))} } //nolint:gosec // a test repeats itself

// What targets are made of.
var (
	steps = []string{"/", "/", "//", "/./", "/x/../", "/%2e/", "/x/%2E%2e/", "/x/..;a=b/", "%2f", "%5c", "\\", "/x%2f..%2f", "%252f", "/;/"}
	ends  = []string{
		"/@v/list", "/@v/list", "/@latest", "/@v/v1.0.0.info", "/@v/v1.0.0.INFO", "/@V/list", "/@v/v1.0.0.ziphash", "/", "", "?go-get=1",
		"/@v/list?go-get=1", "/x@v1.0.0", "@v1.0.0", "@V1.0.0", "%40v1.0.0", "/..", "/%2e", "/@v/list/", "#x",
	}
	heads = []string{
		"", "", "/api/go/repo", "/x.y", "/sumdb/sum.golang.org/lookup", "/SUMDB/sum.golang.org/lookup", "/sumdb/sum.golang.org/lookup/", "//", "/.",
		"/?m=", "/public.example/m/@v/list?x=", "/sumdb", "/public.example/m/@v",
	}
	ups = []string{
		"..", "%2e%2e", ".%2E", "%2E.", "..;", "..;a=b", "%252e%252e", "%25252e.", ".%252e", "..%00", "..%20", "..%09", "...", ".", "%2e", "x", "",
		"..%3f", "..%23", "%u002e%u002e", "..%c0%af",
	}
	slashes = []string{"/", "/", "/", "//", "%2f", "%2F", "%5c", "\\", "%252f", "/./"}
	outside = []string{"admin/tokens", "admin/tokens/@v/list", "x.y/admin/@latest", "proc/self/environ", "%2fadmin", "", "x.y/m/@v/%252e%252e%252f%252e%252e.info"}
)

// Module writes a module path, and what may stand before and behind it.
func (s Speller) Module(mod string) string {
	var b strings.Builder
	b.WriteString(s.pick(heads))
	for i, element := range strings.Split(mod, "/") {
		if i > 0 || !strings.HasSuffix(b.String(), "=") {
			b.WriteString(s.pick(steps))
		}
		s.element(&b, element)
	}
	b.WriteString(s.pick(ends))
	return b.String()
}

func (s Speller) element(b *strings.Builder, element string) {
	fold, encode := s.IntN(4), s.IntN(4)
	for i := range len(element) {
		letter := element[i : i+1]
		switch lower := strings.ToLower(letter); {
		case fold == 0:
			letter = lower
		case fold == 1:
			letter = strings.ToUpper(letter)
		case letter != lower:
			letter = s.pick([]string{"!", "%21", "%2521"}) + lower
		}
		if encode == 0 || encode == 1 && s.IntN(3) == 0 {
			letter = percent(letter)
		}
		b.WriteString(letter)
	}
}

// Upward writes a path that may lead out of where it begins.
func (s Speller) Upward() string {
	var b strings.Builder
	b.WriteString("/")
	if s.IntN(3) == 0 {
		b.WriteString("x.y/m/@v")
		b.WriteString(s.pick(slashes))
	}
	for range 1 + s.IntN(5) {
		b.WriteString(s.pick(ups))
		b.WriteString(s.pick(slashes))
	}
	b.WriteString(s.pick(outside))
	return b.String()
}

func (s Speller) pick(from []string) string { return from[s.IntN(len(from))] }

// percent encodes the last byte.
func percent(s string) string {
	const hex = "0123456789abcdef"
	c := s[len(s)-1]
	return s[:len(s)-1] + "%" + string([]byte{hex[c>>4], hex[c&15]})
}

// enough bounds the readings of a target.
const enough = 1000

// Readings are what others may take a target for: decoded up to four times, each
// time cleaned or not, with backslashes for slashes and path parameters cut or not.
func Readings(target string) []string {
	seen := map[string]bool{target: true}
	all := []string{target}
	add := func(r string) {
		if !seen[r] {
			seen[r] = true
			all = append(all, r)
		}
	}
	for begin, round := 0, 0; round < 5 && len(all) < enough; round++ {
		end := len(all)
		for _, r := range all[begin:end] {
			slashed := strings.ReplaceAll(r, "\\", "/")
			add(path.Clean(r))
			add(path.Clean(slashed))
			add(path.Clean(withoutParameters(slashed)))
			if d, err := url.PathUnescape(r); err == nil {
				add(d)
			}
		}
		begin = end
	}
	return all
}

func withoutParameters(p string) string {
	elements := strings.Split(p, "/")
	for i, e := range elements {
		elements[i], _, _ = strings.Cut(e, ";")
	}
	return strings.Join(elements, "/")
}

// Tells says whether somebody may read mod in a target: whole elements, escaped or
// not, in whatever case.
func Tells(target, mod string) bool {
	mod = strings.ToLower(mod)
	for _, r := range Readings(target) {
		if contains(strings.NewReplacer("!", "", "\\", "/").Replace(strings.ToLower(r)), mod) {
			return true
		}
	}
	return false
}

// contains tells whether mod stands in s at the ends of elements.
func contains(s, mod string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], mod)
		if i < 0 {
			return false
		}
		begin := from + i
		end := begin + len(mod)
		if (begin == 0 || strings.IndexByte("/?=&@", s[begin-1]) >= 0) && (end == len(s) || strings.IndexByte("/?&@;", s[end]) >= 0) {
			return true
		}
		from = begin + 1
	}
}
