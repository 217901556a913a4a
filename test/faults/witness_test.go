// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"fmt"
	"strings"
	"testing"
)

// witness is the test of one fault. It remembers what failed, so that all of
// it can be said again in one line a fault, at the end, where it is found.
type witness struct {
	*testing.T

	failures []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.Helper()
	w.remember(format, args...)
	w.T.Errorf(format, args...)
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Helper()
	w.remember(format, args...)
	w.T.Fatalf(format, args...)
}

func (w *witness) Fatal(args ...any) {
	w.Helper()
	w.remember("%s", fmt.Sprint(args...))
	w.T.Fatal(args...)
}

func (w *witness) remember(format string, args ...any) {
	w.failures = append(w.failures, brief(fmt.Sprintf(format, args...)))
}

// brief is a failure without the place and what testify names its parts.
func brief(failure string) string {
	var parts []string
	tracing := false
	for line := range strings.Lines(failure) {
		line = strings.TrimSpace(line)
		name, rest, named := strings.Cut(line, ":")
		if named {
			switch name {
			case "Error Trace", "Test":
				tracing = true
				continue
			case "Error", "Messages":
				tracing, line = false, strings.TrimSpace(rest)
			}
		}
		if line != "" && !tracing {
			parts = append(parts, line)
		}
	}
	text := strings.Join(parts, " ")
	return text[:min(len(text), 300)]
}
