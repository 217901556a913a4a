// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// kind is what a request asks for.
type kind string

const (
	ofFile     kind = "files"
	ofQuestion kind = "lists and queries"
	ofSums     kind = "checksum database"
)

// request is what a path asks for.
type request struct {
	kind                 kind
	module, version, ext string
}

// parse reads a path of the protocol (https://go.dev/ref/mod#goproxy-protocol).
func parse(p string) request {
	if strings.HasPrefix(p, "/sumdb/") {
		return request{kind: ofSums}
	}
	before, name, ok := strings.Cut(p, "/@v/")
	if !ok {
		before, name, _ = strings.Cut(p, "/@")
	}
	escaped := strings.TrimPrefix(before, "/")
	mod, err := module.UnescapePath(escaped)
	if err != nil {
		mod = escaped
	}
	r := request{kind: ofQuestion, module: mod}
	if ext := path.Ext(name); ok && (ext == ".info" || ext == ".mod" || ext == ".zip") {
		r.version, r.ext = strings.TrimSuffix(name, ext), ext
		// An .info whose version isn't one that the path can have is a question: it may be answered with another.
		if semver.Canonical(r.version) == r.version && (ext != ".info" || module.Check(mod, r.version) == nil) {
			r.kind = ofFile
		}
	}
	return r
}

// cached is the truth about a request to nginx, in its own words
// (https://nginx.org/en/docs/http/ngx_http_upstream_module.html#var_upstream_cache_status).
func (c *court) cached(v *visit) (string, []string) {
	word := c.words[v.token]
	switch {
	case v.status == 0:
		return "no answer", []string{miss}
	case word == "" && answered(v) && len(c.starts(v)) > 0: // killed before it wrote its log
		return miss, []string{miss}
	case word == "HIT" && v.before.present && c.removedIn(v):
		return "removed meanwhile", []string{hit, coalesced}
	case word == "HIT" && v.before.present && v.after.changed.After(v.began): // had expired; another's fetch renewed it meanwhile
		return "hit|coalesced", []string{hit, coalesced}
	case word == "HIT" && v.before.present:
		return hit, []string{hit}
	case word == "HIT" && c.came(v):
		return "hit|coalesced", []string{hit, coalesced}
	case word == "HIT":
		return coalesced, []string{coalesced}
	case word == "STALE", word == "UPDATING":
		return stale, []string{stale}
	case word == "REVALIDATED":
		return revalidated, []string{revalidated}
	case word == "MISS" && answered(v):
		return miss, []string{miss}
	case word == "EXPIRED" && answered(v):
		return "miss, expired", []string{miss}
	case word == "MISS", word == "EXPIRED":
		return "miss, failed", []string{miss}
	}
	return unexplained, nil
}

// question is the truth about lists, queries and what is latest: a Go module proxy asks upstream each time.
func (c *court) question(v *visit) (string, []string) {
	if c.w.subject.family == nginx {
		row, right := c.cached(v)
		if slices.Contains(right, miss) {
			right = append(right, bypass)
		}
		return row, right
	}
	var asked []*visit
	good := false
	mod := parse(v.path).module
	for _, visits := range c.fetches {
		for _, f := range visits {
			q := parse(f.path)
			if q.module == mod && q.kind != ofSums && !f.began.Before(v.began) && !f.began.After(v.decided()) {
				asked = append(asked, f)
				good = good || answered(f) && q.kind == ofQuestion
			}
		}
	}
	switch {
	case v.status == 0:
		return "no answer", []string{bypass}
	case len(asked) > 0 && answered(v) && !good && c.w.subject.family != athens:
		return stale, []string{stale}
	case len(asked) > 0:
		return "asked upstream", append(c.also(miss, revalidated, coalesced), bypass)
	case c.pastUs(v):
		return "past the egress", []string{bypass}
	case answered(v):
		return "answered without asking", append(c.also(coalesced, stale), hit)
	}
	return "refused without a fetch", c.also(bypass, miss)
}

// also are results that are right for the embedded proxy, which knows more of itself than taps do.
func (c *court) also(results ...string) []string {
	if c.w.subject.family == embedded {
		return results
	}
	return nil
}

// sums is the truth about what is asked of a checksum database.
func (c *court) sums(v *visit) (string, []string) {
	if c.w.subject.family == nginx {
		return c.question(v)
	}
	within := func(visits []*visit) bool {
		return slices.ContainsFunc(visits, func(f *visit) bool { return !f.began.Before(v.began) && !f.began.After(v.decided()) })
	}
	switch {
	case v.status == 0:
		return "no answer", []string{bypass}
	case within(c.past[v.path]):
		return "past the egress", []string{bypass}
	case c.w.subject.family != embedded:
		return "by itself", nil
	case within(c.fetches[v.path]) && c.besideOthers(v): // who of them asked, and who found what that brought?
		return "asked upstream by one of several", []string{miss, bypass, coalesced, revalidated, hit}
	case within(c.fetches[v.path]):
		return "asked upstream", []string{miss, bypass, coalesced, revalidated}
	}
	return "answered without asking", []string{hit, coalesced, bypass, stale}
}

// besideOthers reports whether others asked for the same while v waited.
func (c *court) besideOthers(v *visit) bool {
	return slices.ContainsFunc(c.asking[c.unit(v.path)], func(o *visit) bool {
		return o != v && o.began.Before(v.decided()) && o.decided().After(v.began)
	})
}
