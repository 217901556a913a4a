// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// The results that Modtap may say, as they are written in documents.
const (
	hit         = "hit"
	miss        = "miss"
	stale       = "stale"
	revalidated = "revalidated"
	coalesced   = "coalesced"
	bypass      = "bypass"
	unknown     = "unknown"
)

// unexplained is the row of what the taps don't explain: a gap of the judge.
const unexplained = "unexplained"

// finding is the truth about one request, beside what was said about it.
type finding struct {
	visit *visit // at the proxy's door
	doc   document
	kind  kind
	// truth is what the taps and the disk show: the name of a row.
	truth string
	// right are the results that say no more than the truth. Unknown is always one of them, though it says little.
	right []string
}

// said is what Modtap said; a result that is absent is as good as unknown.
func (f *finding) said() string {
	if f.doc.Goproxy.Cache.Result == "" {
		return "absent"
	}
	return f.doc.Goproxy.Cache.Result
}

func (f *finding) silent() bool { return f.said() == "absent" || f.said() == unknown }

func (f *finding) wrong() bool { return !f.silent() && !slices.Contains(f.right, f.said()) }

// court judges what was seen in one script.
type court struct {
	w *world
	// asking are the requests at the proxy's door, and fetches what it asked upstream through Modtap, both by what is fetched at once.
	asking, fetches map[string][]*visit
	// past is what it asked past Modtap, by path.
	past map[string][]*visit
	// words are nginx's own, by token.
	words map[string]string
}

func newCourt(w *world) *court {
	c := &court{w: w, asking: map[string][]*visit{}, fetches: map[string][]*visit{}, past: map[string][]*visit{}, words: map[string]string{}}
	for _, v := range w.seen.visits {
		switch v.place {
		case w.door():
			c.asking[c.unit(v.path)] = append(c.asking[c.unit(v.path)], v)
		case w.exit():
			c.fetches[c.unit(v.path)] = append(c.fetches[c.unit(v.path)], v)
		case atMirror, atDatabase:
			c.past[v.path] = append(c.past[v.path], v)
		}
	}
	if w.subject.family == nginx {
		text, err := os.ReadFile(filepath.Join(w.disk, "witness.log"))
		require.NoError(w.t, err)
		for line := range strings.Lines(string(text)) {
			token, word, _ := strings.Cut(strings.TrimSpace(line), " ")
			c.words[token] = word
		}
	}
	return c
}

// door is the tap that sees requests last before the proxy, exit the one that sees its fetches first.
func (w *world) door() place {
	if w.subject.family == embedded {
		return atClient
	}
	return atProxy
}

func (w *world) exit() place {
	if w.subject.family == embedded {
		return atOrigin
	}
	return atEgress
}

// unit names what is fetched at once when a path is asked for: a version's three files together, or the path alone.
func (c *court) unit(path string) string {
	q := parse(path)
	if q.version != "" && c.wholeVersions() {
		return q.module + "@" + q.version
	}
	return path
}

// wholeVersions reports whether the proxy fetches a version's files together.
func (c *court) wholeVersions() bool {
	return c.w.subject.family == athens || c.w.subject.family == goproxy
}

// judge finds the truth for each document.
func (c *court) judge(docs []document) []finding {
	byID := map[string]document{}
	for _, d := range docs {
		byID[d.Trace.ID] = d
	}
	var found []finding
	for _, v := range c.w.seen.visits {
		if v.place != c.w.door() {
			continue
		}
		d, ok := byID[traceOf(v.token)]
		if !ok {
			c.w.t.Errorf("no document about %s", v.path)
			continue
		}
		f := finding{visit: v, doc: d, kind: parse(v.path).kind}
		switch f.kind {
		case ofFile:
			f.truth, f.right = c.file(v)
		case ofSums:
			f.truth, f.right = c.sums(v)
		default:
			f.truth, f.right = c.question(v)
		}
		found = append(found, f)
	}
	return found
}

// moment is how long a proxy may take from its door to its disk on a busy machine: what another's fetch brought to the disk within it may have
// been found there.
const moment = 250 * time.Millisecond

// file is the truth about a request for a file of a version.
func (c *court) file(v *visit) (string, []string) {
	if c.w.subject.family == nginx {
		return c.cached(v)
	}
	own, alone := c.own(v)
	waited := c.waited(v)
	could := []string{}
	if len(own) > 0 {
		could = append(could, miss)
	}
	if c.w.subject.family != goproxy && (waited || len(own) > 0 && !alone) {
		could = append(could, coalesced)
	}
	switch {
	case v.status == 0:
		return "no answer", could
	case !answered(v):
		return c.refused(v, could)
	case v.before.present && c.removedIn(v):
		return "removed meanwhile", append(could, hit)
	case v.before.present:
		return hit, []string{hit}
	case c.pastUs(v):
		return "past the egress", []string{miss}
	}
	// goproxy waits for nobody: what it has without a fetch of its own was there when it looked.
	if waited && (c.came(v) || c.w.subject.family == goproxy && len(own) == 0) {
		could = append(could, hit)
	}
	if len(could) == 0 {
		return unexplained, nil
	}
	return strings.Join(could, "|"), could
}

// refused is the truth about an answer without a file.
func (c *court) refused(v *visit, could []string) (string, []string) {
	switch {
	case len(could) > 0:
		return strings.Join(could, "|") + ", failed", could
	case c.fetchedBehind(v):
		return "refused, then fetched", []string{miss}
	}
	// Of its own cache the embedded proxy knows that the file isn't there, or that it didn't look.
	return "refused without a fetch", c.also(miss, bypass)
}

func answered(v *visit) bool {
	return v.status == http.StatusOK || v.status == http.StatusPartialContent || v.status == http.StatusNotModified
}

// until is when a request no longer waits: a proxy may go on for a client that has left.
func until(v *visit) time.Time {
	if v.status == 0 {
		return v.ended.Add(30 * time.Second)
	}
	return v.decided()
}

// starts are the fetches of what v asks for that began while it waited. Whoever fetches a version begins with its .info.
func (c *court) starts(v *visit) (out []*visit) {
	for _, f := range c.fetches[c.unit(v.path)] {
		q := parse(f.path)
		if (!c.wholeVersions() || q.ext == ".info") && !f.began.Before(v.began) && !f.began.After(until(v)) {
			out = append(out, f)
		}
	}
	return out
}

// own are the fetches that v may have caused; alone is true if one of them nobody else can have caused.
func (c *court) own(v *visit) (own []*visit, alone bool) {
	if v.before.present {
		return nil, false
	}
	own = c.starts(v)
	for _, f := range own {
		others := 0
		for _, o := range c.asking[c.unit(v.path)] {
			if o != v && !o.before.present && !f.began.Before(o.began) && !f.began.After(until(o)) {
				others++
			}
		}
		alone = alone || others == 0
	}
	return own, alone || c.w.subject.family == goproxy && len(own) > 0
}

// waited reports whether another's fetch was under way while v waited.
func (c *court) waited(v *visit) bool {
	for _, o := range c.asking[c.unit(v.path)] {
		if o != v && !o.before.present && o.began.Before(v.decided()) && until(o).After(v.began) && len(c.starts(o)) > 0 {
			return true
		}
	}
	return false
}

// came reports whether v's file came to the disk at the moment in which the proxy looked for it.
func (c *court) came(v *visit) bool {
	return v.after.present && v.after.changed.Before(v.began.Add(moment))
}

func (c *court) removedIn(v *visit) bool {
	return slices.ContainsFunc(c.w.removed[v.path], func(at time.Time) bool { return !at.Before(v.began.Add(-time.Millisecond)) && !at.After(v.decided()) })
}

func (c *court) pastUs(v *visit) bool {
	q := parse(v.path)
	if q.module == pastModule {
		return true
	}
	for path, visits := range c.past {
		p := parse(path)
		if p.module == q.module && p.version == q.version && slices.ContainsFunc(visits, func(f *visit) bool {
			return f.status == http.StatusOK && !f.began.Before(v.began) && !f.began.After(v.decided())
		}) {
			return true
		}
	}
	return false
}

// fetchedBehind reports whether a fetch of what v asks for began after its answer, and before anybody else asked.
func (c *court) fetchedBehind(v *visit) bool {
	for _, f := range c.fetches[c.unit(v.path)] {
		if f.began.After(v.decided()) && f.began.Before(v.decided().Add(2*time.Second)) {
			return true
		}
	}
	return false
}
