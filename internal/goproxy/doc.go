// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package goproxy reads the path of a request to a Go module proxy and says
// what it asks for: the operation, the module, the version.
//
// The protocol is the one of https://go.dev/ref/mod#goproxy-protocol, with the
// checksum database that a proxy may pass on
// (https://go.dev/design/25530-sumdb#proxying-a-checksum-database). The package
// does no IO and knows nothing of HTTP; reading a path without capital letters
// allocates nothing.
//
// # Where the module path begins
//
// A proxy may be mounted anywhere, as in /api/go/<repo>/github.com/x/y/@v/list.
// The path does not say where the mount ends, so this rule decides: the module
// path begins at the first element that looks like a host name (lower-case
// letters, digits, dashes and at least one dot, as module.CheckPath wants it)
// and is followed by nothing but valid elements of an escaped module path. What
// stands before is the prefix. From there the whole must be a valid module path;
// github.com/x/v1 is none, and such a request is Other rather than one for some
// shorter path.
//
// So every path that the go command asks of a proxy without a prefix, or with a
// prefix without dots, is read as it was meant. A prefix element that itself
// looks like a host name, as in /repo.v1/github.com/x/y, can't be told from a
// module path and becomes part of it: nobody but the owner of the mount can know
// better, and may cut it off before Parse.
package goproxy
