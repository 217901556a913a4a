// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goauth

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// forget is how long after its last use a remembered process is taken for
// another one with the same id.
const forget = 10 * time.Minute

// remembered returns a random name for a process whose start time the standard
// library can't tell. It is kept in a file in the user's cache directory, so that
// the next call for the same process returns the same; without such a directory
// each call returns another, and so does the next one [forget] later.
func remembered(pid int) string {
	fresh := rand.Text()
	cache, err := os.UserCacheDir()
	if err != nil {
		return fresh
	}
	dir := filepath.Join(cache, "modtap", "goauth")
	if os.MkdirAll(dir, 0o700) != nil {
		return fresh
	}
	sweep(dir)
	path := filepath.Join(dir, strconv.Itoa(pid))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(fresh)
		if cerr := f.Close(); err != nil || cerr != nil {
			_ = os.Remove(path) // half a name would be another process's
		}
		return fresh
	}
	known, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(known)) == "" {
		return fresh
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // at worst it is forgotten earlier
	return string(known)
}

// sweep removes what wasn't used for long.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > forget {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
