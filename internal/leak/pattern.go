// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/goproxy"
)

// Detector knows which modules are private. Nil knows none.
type Detector struct {
	patterns []pattern
}

// pattern is one of the patterns: the first elements of a module path.
type pattern struct {
	text     string
	elements []element // In lower case.
	// excludes is true where it names letters that it doesn't match: in lower case it
	// may match less.
	excludes bool
}

// element is the pattern of one element.
type element struct {
	text string
	glob bool
}

// New returns a detector for patterns as in GOPRIVATE
// (https://go.dev/ref/mod#private-modules): a comma-separated list of module path
// prefixes in the syntax of [path.Match]. Without one it is nil.
func New(patterns string) (*Detector, error) {
	d := new(Detector)
	var errs []error
	for p := range strings.SplitSeq(patterns, ",") {
		p = strings.TrimSuffix(strings.TrimSpace(p), "/")
		if p == "" {
			continue
		}
		if _, err := path.Match(p, ""); err != nil {
			errs = append(errs, fmt.Errorf("%q is no pattern: %w", p, err))
		}
		var elements []element
		for e := range strings.SplitSeq(strings.ToLower(p), "/") {
			elements = append(elements, element{text: e, glob: strings.ContainsAny(e, `*?[\`)})
		}
		d.patterns = append(d.patterns, pattern{text: p, elements: elements, excludes: strings.Contains(p, "[^")})
	}
	if err := errors.Join(errs...); err != nil || len(d.patterns) == 0 {
		return nil, err
	}
	return d, nil
}

// exact returns the pattern that matches a module path in the go command's eyes,
// though find can't see it.
func (d *Detector) exact(name string) string {
	for i := range d.patterns {
		if d.patterns[i].excludes && module.MatchPrefixPatterns(d.patterns[i].text, name) {
			return d.patterns[i].text
		}
	}
	return ""
}

// find returns the first pattern that matches at an element of f which can be the
// first of a module path: one with a dot.
func (d *Detector) find(f goproxy.Folded) string {
	for i := range d.patterns {
		p := &d.patterns[i]
		for first, rest := range f.Elements() {
			if strings.Contains(first, ".") && p.elements[0].matches(first) && matches(p.elements[1:], rest, f.Up) {
				return p.text
			}
		}
	}
	return ""
}

// matches tells whether the text begins with elements that match. With gaps there
// may be others between them: what is left of a path when "x/.." is resolved has
// no element that wasn't there, and none in another order.
func matches(elements []element, text string, gaps bool) bool {
	f := goproxy.Folded{Text: text}
	for name := range f.Elements() {
		switch {
		case len(elements) == 0:
			return true
		case elements[0].matches(name):
			elements = elements[1:]
		case !gaps:
			return false
		}
	}
	return len(elements) == 0
}

func (e *element) matches(name string) bool {
	if !e.glob {
		return e.text == name
	}
	ok, _ := path.Match(e.text, name) // Its syntax was checked before.
	return ok
}
