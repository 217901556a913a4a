// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package netrc reads credentials where the go command does. It imports the
// standard library only: modtap-goauth has to start in milliseconds.
package netrc

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// File returns the netrc file that the go command takes credentials from
// with this GOAUTH: $NETRC, else .netrc in the home directory, or none where
// GOAUTH doesn't name netrc. Empty is go's default, which does
// (https://pkg.go.dev/cmd/go#hdr-GOAUTH_environment_variable).
func File(goauth string, env func(string) string) string {
	used := goauth == ""
	for command := range strings.SplitSeq(goauth, ";") {
		used = used || strings.TrimSpace(command) == "netrc"
	}
	if !used {
		return ""
	}
	if path := env("NETRC"); path != "" {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "" // A service without one.
	}
	if old := filepath.Join(home, "_netrc"); runtime.GOOS == "windows" {
		if _, err := os.Stat(old); err == nil {
			return old
		}
	}
	return filepath.Join(home, ".netrc")
}

// Entry is the credentials for one machine: a host, with its port if URLs have
// one, or a path below it.
type Entry struct{ Machine, Login, Password string }

// Parse reads a netrc file as cmd/go/internal/auth does: entries with a machine,
// a login and a password, no "default", no macros.
func Parse(text string) []Entry {
	var found []Entry
	var m Entry
	macro := false
	for line := range strings.SplitSeq(text, "\n") {
		if macro {
			macro = line != ""
			continue
		}
		words := strings.Fields(line)
		for ; len(words) >= 2; words = words[2:] {
			switch value := words[1]; words[0] {
			case "machine":
				m = Entry{Machine: value}
			case "login":
				m.Login = value
			case "password":
				m.Password = value
			case "macdef":
				macro = true
			}
			if m.Machine != "" && m.Login != "" && m.Password != "" {
				found = append(found, m)
				m = Entry{}
			}
		}
		if len(words) == 1 && words[0] == "default" {
			break // It has to be the last one.
		}
	}
	return found
}

// Find returns the entry for a URL's host and path, without scheme and query: as
// in the go command the longest match wins, by whole elements, and of two for
// the same the first.
func Find(entries []Entry, target string) (Entry, bool) {
	target = strings.TrimSuffix(target, "/")
	for {
		for _, e := range entries {
			if strings.TrimSuffix(e.Machine, "/") == target {
				return e, true
			}
		}
		slash := strings.LastIndexByte(target, '/')
		if slash < 0 {
			return Entry{}, false
		}
		target = target[:slash]
	}
}
