// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// The values of Request.SumDBKind.
const (
	SumDBSupported = "supported" // Does the proxy pass this database on?
	SumDBLatest    = "latest"    // The latest signed tree head.
	SumDBLookup    = "lookup"    // The record of one module version.
	SumDBTile      = "tile"      // A part of the Merkle tree.
)

// Request is what the path of a request says. The zero value is a request that
// is not the protocol. Requests are comparable.
type Request struct {
	Operation Operation
	// Prefix is what stands before the module path or before sumdb/, such as
	// "/api/go/repo": with a leading and without a trailing slash, "" if the
	// proxy is mounted at the root and for Other.
	Prefix string
	// Module is the module path, unescaped; "" for Other and for SumDB, except
	// for a lookup. It passes module.CheckPath.
	Module string
	// Version is the version, unescaped, or the query of a Query; "" for List
	// and Latest, and for SumDB except for a lookup.
	Version string
	// SumDB is the name of the checksum database, such as "sum.golang.org". As
	// in GOSUMDB, it is a host name that a path may follow.
	SumDB string
	// SumDBKind is what is asked of the checksum database, one of
	// SumDBSupported, SumDBLatest, SumDBLookup and SumDBTile; "" if it isn't asked.
	SumDBKind string
	// Tile holds the coordinates of a tile, such as "8/0/x001/234.p/5".
	Tile string
}

// Route is the value of http.route: the shape of the path, without the prefix.
// A Query has the route of an Info. It is "" for Other.
func (r Request) Route() string {
	switch r.Operation {
	case List:
		return "/{module}/@v/list"
	case Latest:
		return "/{module}/@latest"
	case Info, Query:
		return "/{module}/@v/{version}.info"
	case Mod:
		return "/{module}/@v/{version}.mod"
	case Zip:
		return "/{module}/@v/{version}.zip"
	case SumDB:
		switch r.SumDBKind {
		case SumDBSupported:
			return "/sumdb/{name}/supported"
		case SumDBLatest:
			return "/sumdb/{name}/latest"
		case SumDBLookup:
			return "/sumdb/{name}/lookup"
		case SumDBTile:
			return "/sumdb/{name}/tile"
		}
	}
	return ""
}

// File is the escaped path below the mount, without a leading slash, such as
// "github.com/!burnt!sushi/toml/@v/v1.0.0.zip"; "" for Other. For a request that
// Parse returned, Parse("/" + r.File()) is r without its prefix.
func (r Request) File() string {
	switch r.Operation {
	case List:
		return escape(r.Module) + "/@v/list"
	case Latest:
		return escape(r.Module) + "/@latest"
	case Info, Query:
		return escape(r.Module) + "/@v/" + escape(r.Version) + ".info"
	case Mod:
		return escape(r.Module) + "/@v/" + escape(r.Version) + ".mod"
	case Zip:
		return escape(r.Module) + "/@v/" + escape(r.Version) + ".zip"
	case SumDB:
		switch r.SumDBKind {
		case SumDBSupported:
			return "sumdb/" + r.SumDB + "/supported"
		case SumDBLatest:
			return "sumdb/" + r.SumDB + "/latest"
		case SumDBLookup:
			return "sumdb/" + r.SumDB + "/lookup/" + escape(r.Module) + "@" + escape(r.Version)
		case SumDBTile:
			return "sumdb/" + r.SumDB + "/tile/" + r.Tile
		}
	}
	return ""
}

// Pseudo tells whether the version names a commit that has no tag
// (https://go.dev/ref/mod#pseudo-versions).
func (r Request) Pseudo() bool {
	return module.IsPseudoVersion(r.Version)
}

// Incompatible tells whether the version ends in +incompatible
// (https://go.dev/ref/mod#incompatible-versions).
func (r Request) Incompatible() bool {
	return semver.Build(r.Version) == incompatible
}

// Toolchain tells which Go toolchain is asked for: the version golang.org/toolchain
// v0.0.1-go1.26.8.linux-amd64 is "go1.26.8", "linux", "amd64". It is ok for every
// operation that names such a version, a lookup included; the values are well
// formed but need not exist. See cmd/go/internal/toolchain for the form.
func (r Request) Toolchain() (version, goos, goarch string, ok bool) {
	if r.Module != "golang.org/toolchain" {
		return "", "", "", false
	}
	name, ok := strings.CutPrefix(r.Version, "v0.0.1-")
	if !ok {
		return "", "", "", false
	}
	// Go versions such as go1.21rc3 and go1.9.2rc2 are no semantic versions, and
	// go/version refuses the second, so only the ends of the name are looked at.
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", "", "", false
	}
	goos, goarch, ok = strings.Cut(name[dot+1:], "-")
	version = name[:dot]
	if !ok || !platformWord(goos) || !platformWord(goarch) || !strings.HasPrefix(version, "go1") {
		return "", "", "", false
	}
	return version, goos, goarch, true
}

// platformWord tells whether s can be a GOOS or a GOARCH.
func platformWord(s string) bool {
	for i := range len(s) {
		if !isLower(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
