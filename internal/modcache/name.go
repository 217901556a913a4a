// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
)

// What a file system takes: longer elements and paths, and deeper ones, are kept
// under another name.
const (
	maxElement = 255
	maxName    = 1024
	maxDepth   = 32
)

// odd is the folder of the files that can't be kept under their own names, which
// are their hashes here.
const odd = ".odd"

// ValidName tells whether a file can have the name: a relative slash-separated
// path without empty or hidden elements, and without what means something else on
// another system. It may be of any length.
func ValidName(name string) bool {
	return name != "" && name[0] != '.' && fs.ValidPath(name) && !strings.ContainsAny(name, "\\:\x00") && !strings.Contains(name, "/.")
}

// keyOf is where the file name is kept, relative to the cache's folder.
func keyOf(name string) string {
	if unwieldy(name) {
		return oddKey(name)
	}
	return name
}

func oddKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return odd + "/" + hex.EncodeToString(sum[:])
}

func unwieldy(name string) bool {
	if len(name) > maxName || strings.Count(name, "/") >= maxDepth {
		return true
	}
	if len(name) <= maxElement {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > maxElement {
			return true
		}
	}
	return false
}

// isKey tells whether a file of the cache can be kept there.
func isKey(key string) bool { return ValidName(strings.TrimPrefix(key, odd+"/")) }

func invalid(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}
