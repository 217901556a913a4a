// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// evidence writes down what a finding rests on: what the taps saw of the same version around it, in milliseconds from the request's arrival.
func (c *court) evidence(f finding) string {
	v, g := f.visit, f.doc.Goproxy
	text := fmt.Sprintf("%s, phase %s: %s: truth %q, said %q (evidence %s, miss reason %s, outcome %s, operation %s, status %d, trace %s)",
		c.w.t.Name(), v.phase, v.path, f.truth, f.said(), cmp.Or(g.Cache.Evidence, "none"), cmp.Or(g.Cache.Miss.Reason, "none"),
		g.Outcome, g.Operation, f.doc.HTTP.Response.Status, f.doc.Trace.ID)
	if word := c.words[v.token]; word != "" {
		text += ", nginx says " + word
	}
	var lines []string
	at := 0
	for _, o := range c.w.seen.visits {
		if !c.beside(v, o) {
			continue
		}
		if o == v {
			at = len(lines)
		}
		lines = append(lines, c.line(v, o))
	}
	lines = lines[max(0, at-16):min(len(lines), at+16)]
	return text + strings.Join(lines, "")
}

// beside reports whether o belongs to the story of v.
func (c *court) beside(v, o *visit) bool {
	if o.place == atClient && c.w.door() != atClient || o.began.Sub(v.decided()) > time.Second || v.began.Sub(o.ended) > 10*time.Second {
		return false
	}
	p, q := parse(o.path), parse(v.path)
	return o.path == v.path || p.kind != ofSums && p.module == q.module && (p.version == q.version || q.kind == ofQuestion)
}

func (c *court) line(v, o *visit) string {
	ms := func(at time.Time) string { return fmt.Sprintf("%.1f", float64(at.Sub(v.began).Microseconds())/1000) }
	mark := " "
	if o == v {
		mark = "*"
	}
	line := fmt.Sprintf("\n  %s %-8s %s status %d from %s, answered %s, to %s", mark, o.place, o.path, o.status, ms(o.began), ms(o.decided()), ms(o.ended))
	if o.status != 0 && !o.whole {
		line += ", broken off"
	}
	if o.place == c.w.door() {
		line += fmt.Sprintf(", stored %v", o.before.present)
		if o.after.present {
			line += " since " + ms(o.after.changed)
		}
	}
	return line
}
