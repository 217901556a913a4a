// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"cmp"
	"slices"
	"time"
)

// saidReason is the reason of a miss that Modtap gave.
func (f *finding) saidReason() string { return cmp.Or(f.doc.Goproxy.Cache.Miss.Reason, "none") }

// reason is the truth about why a file that Modtap says was missed wasn't there; "" for all else. wrong is true if Modtap gave another one.
func (c *court) reason(f finding) (truth string, wrong bool) {
	v, said := f.visit, f.saidReason()
	if f.kind != ofFile || f.said() != miss || f.wrong() {
		return "", false
	}
	switch {
	case c.words[v.token] == "EXPIRED":
		return "expired", said != "expired" && said != "none"
	case slices.ContainsFunc(c.w.removed[v.path], func(at time.Time) bool { return at.Before(v.decided()) }):
		// The embedded proxy knows what it evicted itself, and nothing of what others take from its disk.
		return "removed from the disk", said != "evicted" && said != "none" && c.w.subject.family != embedded
	case c.seenBefore(v):
		return "fetched or answered before, not kept", said == "expired"
	}
	return "never before", said != "cold" && said != "none"
}

// seenBefore reports whether v's file was fetched or answered before v came.
func (c *court) seenBefore(v *visit) bool {
	for _, visits := range []map[string][]*visit{c.asking, c.fetches} {
		for _, o := range visits[c.unit(v.path)] {
			if o != v && o.path == v.path && answered(o) && o.answered.Before(v.began) {
				return true
			}
		}
	}
	return false
}
