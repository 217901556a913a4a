// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangupLine is printed once, at the first SIGHUP that has no effect.
const hangupLine = "modtap: SIGHUP is ignored: the configuration is read at the start only; restart Modtap to read it again"

// A stopper learns that the user wants the end. SIGINT and SIGTERM ask for it, and
// a second one ends the process at once, as it does without a handler. SIGHUP asks
// for it only if Modtap was started from a terminal, whose end it then means; to
// a service or a container it is ignored, because what a reload would have to close
// is the listener. Where it was ignored at the start, by nohup, it stays so.
type stopper struct {
	asked chan struct{} // closed once the end is asked for
	done  context.CancelFunc
	wait  sync.WaitGroup
}

// newStopper listens to signals until close, and to the end of ctx.
func newStopper(ctx context.Context, stderr io.Writer) *stopper {
	s := &stopper{asked: make(chan struct{})}
	signals, hangups := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	terminal := hasTerminal()
	inner, done := context.WithCancel(context.WithoutCancel(ctx))
	s.done = done
	s.wait.Go(func() {
		// SIGHUP is never given back its default effect: a terminal's end sends more than one, and a late one
		// must not end the process while it exits.
		s.await(inner, ctx, signals, hangups, terminal, stderr)
		signal.Stop(signals)
		<-inner.Done()
	})
	return s
}

func (s *stopper) await(inner, asking context.Context, signals, hangups <-chan os.Signal, terminal bool, stderr io.Writer) {
	said := false
	for {
		select {
		case <-hangups:
			if !terminal {
				if !said {
					fmt.Fprintln(stderr, hangupLine)
				}
				said = true
				continue
			}
		case <-signals:
		case <-asking.Done():
		case <-inner.Done():
			return
		}
		close(s.asked)
		return
	}
}

// close gives SIGINT and SIGTERM back their default effect.
func (s *stopper) close() {
	s.done()
	s.wait.Wait()
}

// hasTerminal reports whether the process has a controlling terminal
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap11.html#tag_11_01_03).
// It must be asked before the terminal is gone.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	return tty.Close() == nil
}
