// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxLinks is how many links Linux follows (path_resolution(7)).
const maxLinks = 40

// words are what people write for a stream or for nothing. As names of files
// they would only be a surprise.
var words = []string{"stdout", "stderr", "stdin", "none", "null", "nil", "off", "on", "true", "false", "no", "yes", "disabled"}

// checkWord refuses a path that is a word and no path.
func checkWord(path string) error {
	if !slices.Contains(words, strings.ToLower(strings.TrimSpace(path))) {
		return nil
	}
	return fmt.Errorf(`path: %q would be a file of that name; write "-" for standard output, off (as MODTAP_LOG) for no log, or ./%s if the file is meant`,
		path, strings.TrimSpace(path))
}

// target follows the links at the end of path to what is written and rotated: a
// link stays a link, and the log stays on the disk that the link leads to. What
// isn't there is the target too. A link to one of this process's own streams is
// followed up to it: see stream.
func target(path string) (string, error) {
	for range maxLinks {
		if _, ok := stream(path); ok {
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // No link, or not to be read: whoever opens it learns why.
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", fmt.Errorf("%s: more than %d links", path, maxLinks)
}

// stream tells which of this process's descriptors a path such as /dev/stdout,
// /dev/fd/1 or /proc/self/fd/1 is.
func stream(path string) (descriptor int, ok bool) {
	switch path {
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	dir, name := filepath.Split(filepath.Clean(path))
	if !strings.HasPrefix(dir, "/dev/fd/") && !strings.HasPrefix(dir, "/proc/") {
		return 0, false
	}
	own := strconv.Itoa(os.Getpid())
	if dir != "/dev/fd/" && dir != "/proc/self/fd/" && dir != "/proc/thread-self/fd/" && dir != "/proc/"+own+"/fd/" {
		return 0, false
	}
	descriptor, err := strconv.Atoi(name)
	return descriptor, err == nil
}

// checkPath returns what a log at path is written to, or why there can't be one.
func checkPath(path string) (to string, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s is a directory", path)
	}
	if to, err = target(path); err == nil {
		err = checkTarget(path, to)
	}
	return to, err
}

// checkTarget refuses what can't be a log: another stream than standard output,
// and a link into nowhere, which would put the log on a disk where nobody
// expects it.
func checkTarget(path, target string) error {
	if _, ok := stream(target); ok {
		return errors.New(`standard error has Modtap's own log, and other descriptors aren't Modtap's; write "-" for standard output`)
	}
	if target == path {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(target)); err != nil {
		return fmt.Errorf("%s is a link to %s, whose directory can't be used: %w", path, target, err)
	}
	return nil
}
