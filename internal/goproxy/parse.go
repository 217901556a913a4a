// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

const incompatible = "+incompatible"

// Parse reads the path of a request. The path is the decoded one, as in
// url.URL.Path, with its leading slash: on the wire the go command writes the
// "!" of an escaped capital letter as %21. Parse never fails; what is not the
// protocol is Other, which includes
//
//   - a .mod or .zip of anything but a canonical version: the protocol has
//     queries for .info only, and the go command refuses to ask;
//   - a version with a slash: a branch such as feature/x can't be escaped
//     (module.EscapeVersion), so the go command never asks a proxy for it;
//   - paths that module.UnescapePath or module.UnescapeVersion refuses.
//
// An .info is an Info if its version is canonical and fits the major version of
// the module path, for only then the go command insists on an answer of just
// that version (proxyRepo.Stat in cmd/go/internal/modfetch); else it is a Query:
// example.com/m/@v/v2.0.0.info may be answered with v2.0.0+incompatible.
//
// The strings of the result are parts of path wherever nothing had to be unescaped.
func Parse(path string) Request {
	if path == "" || path[0] != '/' {
		return Request{}
	}
	// Neither a version nor an element of a module path holds a slash, so the
	// end of the path tells what it is.
	slash := strings.LastIndexByte(path, '/')
	dir, file := path[:slash], path[slash+1:]
	if file == "@latest" {
		return parseModule(dir, Latest, "")
	}
	mod, ok := strings.CutSuffix(dir, "/@v")
	if !ok {
		return parseSumDB(path)
	}
	if file == "list" {
		return parseModule(mod, List, "")
	}
	dot := strings.LastIndexByte(file, '.')
	if dot < 0 {
		return Request{}
	}
	switch file[dot:] {
	case ".info":
		return parseModule(mod, Info, file[:dot])
	case ".mod":
		return parseModule(mod, Mod, file[:dot])
	case ".zip":
		return parseModule(mod, Zip, file[:dot])
	}
	return Request{}
}

// parseModule reads the part of a path before the first /@, which holds the
// prefix and the escaped module path, and an escaped version if op has one.
func parseModule(path string, op Operation, version string) Request {
	start := moduleStart(path)
	if start < 0 {
		return Request{}
	}
	r := Request{
		Operation: op,
		Prefix:    strings.TrimRight(path[:start], "/"),
		Module:    unescape(path[start:]),
	}
	_, major, ok := module.SplitPathVersion(r.Module)
	if !ok {
		return Request{}
	}
	if op == List || op == Latest {
		return r
	}
	if !validVersion(version) {
		return Request{}
	}
	r.Version = unescape(version)
	switch canonical := isCanonical(r.Version); {
	case op != Info && !canonical:
		return Request{}
	case op == Info && (!canonical || !module.MatchPathMajor(r.Version, major)):
		r.Operation = Query
	}
	return r
}

// moduleStart finds where in path, which begins with a slash, the escaped module
// path begins by the rule of the package; -1 if nowhere. It goes from the end, so
// that it takes linear time whatever the client sends.
func moduleStart(path string) int {
	start := -1
	for end := len(path); end > 0; {
		slash := strings.LastIndexByte(path[:end], '/')
		valid, host := checkElement(path[slash+1 : end])
		if !valid {
			break
		}
		if host {
			start = slash + 1
		}
		end = slash
	}
	return start
}

// isCanonical is v == module.CanonicalVersion(v) for a v that isn't empty,
// without an allocation.
func isCanonical(v string) bool {
	base := strings.TrimSuffix(v, incompatible)
	// Short forms such as v1 and v1.2 are the ones that semver.Canonical builds anew.
	return strings.Count(base, ".") >= 2 && semver.Canonical(base) == base
}
