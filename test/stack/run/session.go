// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/modtap/modtap/test/backends"
)

var _ backends.TB = (*session)(nil)

// errStopped unwinds a session that can't go on; why was said before.
var errStopped = errors.New("stopped")

// session is a [backends.TB] that is no test: it ends with the command.
type session struct {
	ctx      context.Context //nolint:containedctx // a TB holds its context
	dir      string
	out      io.Writer
	cleanups []func()
	failed   bool
	dirs     int
}

// in runs f in a session with a directory of its own, ends in any case what f started, and reports whether nothing failed.
func in(ctx context.Context, out io.Writer, f func(*session)) (ok bool) {
	dir, err := os.MkdirTemp("", "modtap-stack-")
	if err != nil {
		fmt.Fprintln(out, err)
		return false
	}
	s := &session{ctx: ctx, dir: dir, out: out}
	defer func() {
		stopped := recover()
		for _, cleanup := range slices.Backward(s.cleanups) {
			cleanup()
		}
		if err := os.RemoveAll(dir); err != nil {
			s.Logf("left behind: %v", err)
		}
		if stopped != nil && stopped != errStopped { //nolint:errorlint // it is what was thrown, nothing wraps it
			panic(stopped)
		}
		ok = !s.failed
	}()
	f(s)
	return true
}

func (s *session) Helper()                  {}
func (s *session) Name() string             { return "make stack" }
func (s *session) Context() context.Context { return s.ctx }
func (s *session) Cleanup(f func())         { s.cleanups = append(s.cleanups, f) }
func (s *session) Failed() bool             { return s.failed }

func (s *session) TempDir() string {
	s.dirs++
	dir := filepath.Join(s.dir, strconv.Itoa(s.dirs))
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.Fatal(err)
	}
	return dir
}

func (s *session) Logf(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *session) Fatal(args ...any) {
	fmt.Fprintln(s.out, args...)
	s.stop()
}

func (s *session) Fatalf(format string, args ...any) {
	s.Logf(format, args...)
	s.stop()
}

// SkipNow ends the session: a stack without one of its services is none.
func (s *session) SkipNow() { s.stop() }

func (s *session) stop() {
	s.failed = true
	panic(errStopped)
}
