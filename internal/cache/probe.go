// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// A question of the go command is: which module provides the package a/b/c? To
// answer it, it asks the same thing of a/b/c, a/b, a and all that may be a module, at
// once: their lists, or one version
// (cmd/go/internal/modload/query.go, QueryPattern and queryPrefixModules;
// https://go.dev/ref/mod#resolve-pkg-mod). Mostly one of them is there, and the
// others are probes.
//
// Nothing else asks for all prefixes of a path. Requests for single modules, whose
// paths may well be one above the other, don't ask for the host name on top, or for
// what is between. So a probe is told by the whole of its question.

// question returns what the go command asks of each path: its versions, or whether
// it has one version. Empty: r is no question.
func question(r goproxy.Request) string {
	switch r.Operation {
	case goproxy.List, goproxy.Latest: // of an empty list it asks for the latest, too
		return "versions"
	case goproxy.Query, goproxy.Info:
		return "@" + r.Version
	}
	return ""
}

// canBeProbe reports whether a "not found" is one of those that the go command
// asks for side by side: the others may come a moment later.
func canBeProbe(b *exchange.Begin, e *exchange.End) bool {
	return e.Disposition == exchange.Complete && outcome(e) == NotFound && commandOf(b) != "" && question(b.Request) != ""
}

// search is one request of a command that found nothing, and what was asked beside it.
type search struct {
	*command
	this   *asked
	within exchange.Time // how far apart side by side is
}

// isProbe reports whether the request was made only because its path stands above or
// below what the command looked for.
func (s search) isProbe() bool {
	if s.this.Question == "" || s.requires() {
		return false
	}
	for i := range s.Asked { // the latest version is asked for when the list has come
		if a := &s.Asked[i]; s.same(a) && a.Module == s.this.Module && a.found() && a.Begin < s.this.Begin {
			s.this = a
			break
		}
	}
	return s.allAbove() && (s.anyBelow() || s.isPackage())
}

// same reports whether a is the same question, of whatever path.
func (s search) same(a *asked) bool { return a.Question == s.this.Question }

// beside reports whether a is the same question, asked side by side with this.
func (s search) beside(a *asked) bool {
	return s.same(a) && max(a.Begin, s.this.Begin)-min(a.Begin, s.this.Begin) <= s.within
}

// requires reports whether the command asked for the module's go.mod: who has that
// doesn't try whether there is such a module.
func (s search) requires() bool {
	return slices.ContainsFunc(s.Asked, func(a asked) bool { return a.Question == "" && a.Module == s.this.Module })
}

// isMixed reports whether the same was asked twice at once: in clear text the go
// command asks nothing twice (cmd/go/internal/modfetch/cache.go), so what is taken for
// one command are two, and nothing tells whose the other requests are.
func (s search) isMixed() bool {
	return slices.ContainsFunc(s.Asked, func(a asked) bool { return a.ID != s.this.ID && a.Path == s.this.Path && s.beside(&a) })
}

// allAbove reports whether all that may be a module above this was asked the same:
// beside it, or before and wasn't there, which the command knows then.
func (s search) allAbove() bool {
	for above := path.Dir(s.this.Module); above != "."; above = path.Dir(above) {
		if canBeModule(above) && !slices.ContainsFunc(s.Asked, func(a asked) bool {
			return a.Module == above && (s.beside(&a) || s.same(&a) && a.absent() && a.Begin < s.this.Begin)
		}) {
			return false
		}
	}
	return true
}

// anyBelow reports whether a longer path was asked beside this: what the command
// looks for is that or further below, and this path one that it tries.
func (s search) anyBelow() bool {
	return slices.ContainsFunc(s.Asked, func(a asked) bool { return s.beside(&a) && isAbove(s.this.Module, a.Module) })
}

// isPackage reports whether this, the longest path, is a package of a module above
// it. That a module is there above doesn't suffice: two modules may be one above the
// other, and the longer one gone. Some other path above must have been tried in vain.
func (s search) isPackage() bool {
	provided, vain := false, false
	for i := range s.Asked {
		a := &s.Asked[i]
		if !s.beside(a) || !isAbove(a.Module, s.this.Module) {
			continue
		}
		// A list may be empty, and then the latest version decides.
		gone := slices.ContainsFunc(s.Asked, func(b asked) bool { return s.same(&b) && b.Module == a.Module && b.absent() })
		vain = vain || gone
		provided = provided || !gone && a.found()
	}
	return provided && vain
}

func (a *asked) found() bool {
	return a.Status >= http.StatusOK && a.Status < http.StatusBadRequest
}

func (a *asked) absent() bool {
	return a.Status == http.StatusNotFound || a.Status == http.StatusGone
}

// isAbove reports whether the path below is longer than above by elements.
func isAbove(above, below string) bool {
	return len(above) < len(below) && strings.HasPrefix(below, above) && below[len(above)] == '/'
}

// canBeModule reports whether the go command asks for a path: the others it leaves
// out (modulePrefixesExcludingTarget, and newProxyRepo in modfetch/proxy.go).
func canBeModule(p string) bool {
	_, _, ok := module.SplitPathVersion(p)
	return ok && module.CheckPath(p) == nil
}
