// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

// Operation is what a request asks of a module proxy. The zero value is Other.
type Operation uint8

// The operations of https://go.dev/ref/mod#goproxy-protocol.
const (
	// Other is everything that is not the protocol.
	Other Operation = iota
	// List asks for the known versions of a module: $module/@v/list.
	List
	// Latest asks for the version to take where List has none: $module/@latest.
	Latest
	// Info asks for the metadata of one version: $module/@v/$version.info. The
	// version is canonical and fits the major version of the module path, so
	// the answer never changes.
	Info
	// Mod asks for the go.mod file of a canonical version: $module/@v/$version.mod.
	Mod
	// Zip asks for the content of a canonical version: $module/@v/$version.zip.
	Zip
	// Query asks which version a branch, a commit or a prefix such as v1 stands
	// for: $module/@v/$query.info. The answer may change.
	Query
	// SumDB asks the checksum database behind the proxy: sumdb/$name/...
	SumDB
)

var operationNames = [...]string{
	Other:  "other",
	List:   "list",
	Latest: "latest",
	Info:   "info",
	Mod:    "mod",
	Zip:    "zip",
	Query:  "query",
	SumDB:  "sumdb",
}

// String is the value of the attribute goproxy.operation, such as "info";
// "other" for a value that is no operation.
func (o Operation) String() string {
	if int(o) >= len(operationNames) {
		return operationNames[Other]
	}
	return operationNames[o]
}

// IsFile reports whether o asks for a file of one version, which never changes.
func (o Operation) IsFile() bool { return o == Info || o == Mod || o == Zip }

// IsQuery reports whether o asks which versions there are, or which one to take: the
// answer may be another one tomorrow.
func (o Operation) IsQuery() bool { return o == List || o == Latest || o == Query }

// Operations lists every operation, Other last. The caller owns the slice.
func Operations() []Operation {
	return []Operation{List, Latest, Info, Mod, Zip, Query, SumDB, Other}
}
