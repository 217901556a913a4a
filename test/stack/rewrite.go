// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// addressed is NAME:PORT, where NAME may be a service or 0.0.0.0.
var addressed = regexp.MustCompile(`(^|[^\w.-])([a-z][a-z0-9-]*|0\.0\.0\.0):(\d{2,5})\b`)

// rewriter puts places on this machine in the stead of those among containers.
type rewriter map[string]*place

// text rewrites what a service reads: NAME:PORT of services, and its own addresses and paths. An unknown port of a service is an error.
func (r rewriter) text(own *place, s string) (string, error) {
	var faults error
	s = addressed.ReplaceAllStringFunc(s, func(match string) string {
		parts := addressed.FindStringSubmatch(match)
		at := r[parts[2]]
		if parts[2] == "0.0.0.0" {
			at = own
		}
		if at == nil {
			return match
		}
		port, err := strconv.Atoi(parts[3])
		if err != nil || at.addresses[port] == "" {
			faults = errors.Join(faults, fmt.Errorf("%s names %s:%s, but %s has no such port: add it to expose", own.service, parts[2], parts[3], at.service))
			return match
		}
		return parts[1] + at.addresses[port]
	})
	// The longest first: a mount may be inside of another one.
	targets := slices.SortedFunc(maps.Keys(own.paths), func(a, b string) int { return len(b) - len(a) })
	for _, target := range targets {
		s = replacePath(s, target, own.paths[target])
	}
	return s, faults
}

// replacePath replaces a path where it is whole or the beginning of a longer one.
func replacePath(s, from, to string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, from)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		boundary := after == "" || strings.ContainsRune("/ \t\n\"',;", rune(after[0]))
		// What is a part of another path already, such as of one that was put there, stays.
		inside := before != "" && !strings.ContainsRune("= \t\n\"',;:@", rune(before[len(before)-1]))
		if boundary && !inside {
			b.WriteString(to)
		} else {
			b.WriteString(from)
		}
		s = after
	}
}

// mount copies a file or a directory to where the service finds it, each file rewritten and then edited.
func (r rewriter) mount(own *place, source, target string, edit func(path string, content []byte) []byte) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(own.paths[target], inside)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := r.text(own, string(content))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		content = []byte(text)
		if edit != nil {
			content = edit(filepath.Join(target, inside), content)
		}
		return os.WriteFile(to, content, 0o644)
	})
}
