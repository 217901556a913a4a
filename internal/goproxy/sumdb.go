// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"math"
	"strconv"
	"strings"

	"golang.org/x/mod/module"
)

// parseSumDB reads a request to the checksum database behind a proxy:
//
//	$prefix/sumdb/$name/supported
//	$prefix/sumdb/$name/latest
//	$prefix/sumdb/$name/lookup/$module@$version
//	$prefix/sumdb/$name/tile/$H/$L/$K[.p/$W]
//
// The database begins at the first element "sumdb" that a host name with a dot
// follows.
func parseSumDB(path string) Request {
	start := sumDBStart(path)
	if start < 0 {
		return Request{}
	}
	r := belowSumDB(path[start+len("/sumdb/"):])
	if r.Operation == SumDB {
		r.Prefix = strings.TrimRight(path[:start], "/")
	}
	return r
}

// ParseSumDB reads what is asked of the checksum database name: a path below its
// base such as "/lookup/golang.org/x/mod@v0.42.0", which is how a client of
// golang.org/x/mod/sumdb asks. Unlike in a path the name needs no dot.
func ParseSumDB(name, path string) Request {
	return belowSumDB(name + path)
}

// belowSumDB reads a path below sumdb/.
func belowSumDB(path string) Request {
	r := Request{Operation: SumDB}
	if name, record, ok := strings.Cut(path, "/lookup/"); ok {
		r.SumDB, r.SumDBKind = name, SumDBLookup
		r.Module, r.Version, ok = parseRecord(record)
		return r.orOther(ok)
	}
	if name, tile, ok := strings.Cut(path, "/tile/"); ok {
		r.SumDB, r.SumDBKind, r.Tile = name, SumDBTile, tile
		return r.orOther(validTile(tile))
	}
	if name, ok := strings.CutSuffix(path, "/supported"); ok {
		r.SumDB, r.SumDBKind = name, SumDBSupported
		return r.orOther(true)
	}
	if name, ok := strings.CutSuffix(path, "/latest"); ok {
		r.SumDB, r.SumDBKind = name, SumDBLatest
		return r.orOther(true)
	}
	return Request{}
}

// orOther is r if ok and if the path in the name of its database is valid, else Other.
func (r Request) orOther(ok bool) Request {
	_, path, found := strings.Cut(r.SumDB, "/")
	for ok && found {
		var element string
		element, path, found = strings.Cut(path, "/")
		ok, _ = checkElement(element)
	}
	if !ok {
		return Request{}
	}
	return r
}

// sumDBStart finds the slash before sumdb/$host; -1 if there is none.
func sumDBStart(path string) int {
	for from := 0; ; {
		i := strings.Index(path[from:], "/sumdb/")
		if i < 0 {
			return -1
		}
		start := from + i
		host, _, _ := strings.Cut(path[start+len("/sumdb/"):], "/")
		name, port, hasPort := strings.Cut(host, ":")
		if _, ok := checkElement(name); ok && (!hasPort || isDecimal(port)) {
			return start
		}
		from = start + 1
	}
}

// parseRecord reads $module@$version of a lookup, both escaped. The version is
// canonical: the database answers 400 to any other (sumdb.Server in x/mod).
func parseRecord(record string) (mod, version string, ok bool) {
	path, version, ok := strings.Cut(record, "@")
	if !ok || !validPath(path) || !validVersion(version) {
		return "", "", false
	}
	mod, version = unescape(path), unescape(version)
	if _, _, ok := module.SplitPathVersion(mod); !ok || !isCanonical(version) {
		return "", "", false
	}
	return mod, version, true
}

// validTile tells whether "tile/" + tile passes tlog.ParseTilePath, without its
// allocations. It reads H/L/K[.p/W]: the height, the level or "data", the index
// in groups of three digits, and the width of a partial tile.
func validTile(tile string) bool {
	height, rest, _ := strings.Cut(tile, "/")
	level, index, _ := strings.Cut(rest, "/")
	index, width, partial := strings.Cut(index, ".p/")
	if !isDecimal(height) || level != "data" && !isDecimal(level) || partial && !isDecimal(width) {
		return false
	}
	h, err := strconv.Atoi(height)
	if err != nil || h < 1 || h > 30 {
		return false
	}
	if level != "data" {
		if _, err := strconv.Atoi(level); err != nil {
			return false
		}
	}
	if partial {
		if w, err := strconv.Atoi(width); err != nil || w < 1 || w >= 1<<h {
			return false
		}
	}
	return validTileIndex(index)
}

// validTileIndex reads an index such as x123/x456/789: every group but the last
// is marked by an x, and the first of several isn't x000.
func validTileIndex(index string) bool {
	if strings.HasPrefix(index, "x000") {
		return false
	}
	n := int64(0)
	for more := true; more; {
		var group string
		group, index, more = strings.Cut(index, "/")
		if more {
			var marked bool
			if group, marked = strings.CutPrefix(group, "x"); !marked {
				return false
			}
		}
		if len(group) != 3 || !isDigit(group[0]) || !isDigit(group[1]) || !isDigit(group[2]) {
			return false
		}
		digits := int64(group[0]-'0')*100 + int64(group[1]-'0')*10 + int64(group[2]-'0')
		if n > (math.MaxInt64-digits)/1000 {
			return false
		}
		n = n*1000 + digits
	}
	return true
}

// isDecimal tells whether s is a number without a sign and a leading zero.
func isDecimal(s string) bool {
	return allDigits(s) && (s == "0" || s[0] != '0')
}
