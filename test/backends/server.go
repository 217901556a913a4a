// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/modtap/modtap/test/port"
)

const (
	readyWithin   = 4 * time.Minute
	startAttempts = 4
)

// Server is a running server. Its methods belong to the goroutine of the test.
type Server struct {
	// URL is the base URL of its HTTP listener, without a slash at the end.
	URL string
	// Dir is where it keeps its data, as a proxy its cache. It is removed with the test.
	Dir string
	// PID is the id of its process; a restart changes it.
	PID int

	tb      TB
	title   string
	command command
	ready   func(context.Context) error
	process *process
}

// plan is what one kind of server says about itself once its ports are known.
type plan struct {
	command command
	url     string
	ready   func(context.Context) error
}

// launch starts a server on as many free ports as asked for, and again on others when one of them was taken in the meantime. root is
// the server's directory below the test's temporary one; the server's data goes to root/data.
func launch(tb TB, title string, ports int, describe func(root string, ports []int) plan) *Server {
	tb.Helper()
	s, root := newServer(tb, title)
	for attempt := 1; ; attempt++ {
		s.follow(root, describe(root, port.Hold(tb, ports)), attempt)
		err := s.start()
		if err == nil {
			return s
		}
		taken := bytes.Contains(bytes.ToLower([]byte(s.Output())), []byte("address already in use"))
		if !taken || attempt == startAttempts {
			s.check(err)
		}
	}
}

// newServer makes a server's directories, and ends it with the test.
func newServer(tb TB, title string) (s *Server, root string) {
	tb.Helper()
	root = tb.TempDir()
	s = &Server{Dir: filepath.Join(root, "data"), tb: tb, title: title}
	s.check(errors.Join(os.Mkdir(s.Dir, 0o755), os.Mkdir(filepath.Join(root, "tmp"), 0o755)))
	tb.Cleanup(func() { s.close(root) })
	return s, root
}

// follow makes a plan the server's own.
func (s *Server) follow(root string, p plan, attempt int) {
	s.command, s.URL, s.ready = p.command, p.url, p.ready
	s.command.dir = cmp.Or(p.command.dir, root)
	s.command.log = filepath.Join(root, fmt.Sprintf("output-%d.log", attempt))
	s.command.env = append([]string{"TMPDIR=" + filepath.Join(root, "tmp")}, s.command.env...)
}

// start starts the command and waits until it is ready; what failed to become ready is ended.
func (s *Server) start() error {
	p, err := spawn(s.command)
	if err != nil {
		return err
	}
	s.process, s.PID = p, p.pid
	ctx, cancel := context.WithTimeout(s.tb.Context(), readyWithin)
	defer cancel()
	for {
		attempt, cancelAttempt := context.WithTimeout(ctx, 5*time.Second)
		err := s.ready(attempt)
		cancelAttempt()
		if p.ended() {
			return fmt.Errorf("ended before it was ready: %w", errors.Join(p.err, err))
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("not ready after %v: %w", readyWithin, err)
		case <-p.done:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the server: SIGTERM, after 10 seconds SIGKILL. It does nothing when the server has ended.
func (s *Server) Stop() { s.process.stop() }

// Kill ends the server and its children with SIGKILL. It does nothing when the server has ended.
func (s *Server) Kill() {
	if !s.process.ended() {
		s.process.kill()
	}
}

// Pause stops the server where it is: its ports stay open, and nothing is answered.
func (s *Server) Pause() {
	s.tb.Helper()
	s.process.signalGroup(syscall.SIGSTOP)
	Await(s.tb, gracePeriod, s.title+" to stand still", func() bool { return standsStill(s.PID) })
}

// Resume lets a paused server go on.
func (s *Server) Resume() { s.process.signalGroup(syscall.SIGCONT) }

// Restart stops the server if it runs and starts it again on the same ports and with the same directory.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	s.check(s.start())
}

// Output returns what the server has written to standard output and standard error.
func (s *Server) Output() string {
	output, err := os.ReadFile(s.command.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.tb.Logf("output of %s: %v", s.title, err)
	}
	return string(output)
}

// close is the end of the test: its process ends, its files can be removed.
func (s *Server) close(root string) {
	if s.process != nil {
		s.process.stop()
	}
	if s.tb.Failed() {
		s.tb.Logf("last output of %s:\n%s", s.title, lastLines([]byte(s.Output())))
	}
	// The go command writes its module cache read-only, and only root could remove that.
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return nil
	})
}

// check ends the test on an error; the end of the server's output follows from close.
func (s *Server) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("%s: %v", s.title, err)
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Await calls done until it returns true, in the goroutine of the test, and fails the test after the time given. what completes
// "waited in vain for".
func Await(tb TB, within time.Duration, what string, done func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(within); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain for %s (%v)", what, within)
		}
	}
}
