// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package accept makes listeners whose failures to accept a connection are seen.
//
// When the process has no descriptor left, net/http waits and tries again, and
// says so only to the ErrorLog of its server, which is no place for a fault of the
// machine among the hang-ups of clients. Every listener of Modtap is one of this
// package.
package accept

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	// again is the time between two log lines on one listener.
	again = time.Minute
	// quiet is how long nothing may fail until the fault is over. A single accepted
	// connection says little: the next one may find no descriptor.
	quiet = 10 * time.Second
	// shortest and longest are the pauses before the next try.
	shortest, longest = 5 * time.Millisecond, time.Second
)

// Listen listens on a TCP address, host:port, as [Watch] does.
func Listen(ctx context.Context, address string, log *zap.Logger, report func(error)) (net.Listener, error) {
	var config net.ListenConfig
	inner, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return Watch(inner, log, report), nil
}

// Watch returns inner with an Accept that tries again where it fails for a reason
// that can pass (accept(2)): it logs that at once and once a minute while it lasts,
// and tells report the reason, and nil when it is over.
func Watch(inner net.Listener, log *zap.Logger, report func(error)) net.Listener {
	return &listener{Listener: inner, log: log, report: report, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	log    *zap.Logger
	report func(error)
	close  sync.Once
	closed chan struct{}

	mu     sync.Mutex
	said   time.Time   // when the last line was logged
	faulty *time.Timer // ends the fault; nil: there is none
}

// Accept returns the next connection. An error is for good.
func (l *listener) Accept() (net.Conn, error) {
	for pause := shortest; ; pause = min(2*pause, longest) {
		conn, err := l.Listener.Accept()
		if err == nil || !passes(err) {
			return conn, err
		}
		l.failed(err)
		select {
		case <-time.After(pause):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// Close closes the listener; Accept returns.
func (l *listener) Close() error {
	l.close.Do(func() {
		close(l.closed)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.faulty != nil {
			l.faulty.Stop()
		}
	})
	return l.Listener.Close()
}

func (l *listener) failed(err error) {
	fault := fmt.Errorf("no connection can be accepted at %s: %w", l.Addr(), cause(err))
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.said) >= again {
		l.said = now
		l.log.Error("connections wait, as none can be accepted", zap.Stringer("address", l.Addr()), zap.Error(cause(err)))
	}
	if l.faulty != nil && l.faulty.Reset(quiet) {
		return
	}
	l.report(fault)
	l.faulty = time.AfterFunc(quiet, l.over)
}

func (l *listener) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return
	default:
	}
	l.log.Warn("connections are accepted again", zap.Stringer("address", l.Addr()))
	l.report(nil)
	l.faulty = nil
}

// passing are the reasons that say nothing of the listener itself: there is no
// descriptor or memory left, or the network of the connection is broken.
var passing = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPERM, syscall.EPROTO,
	syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH,
}

func passes(err error) bool {
	for _, reason := range passing {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// cause is the reason alone.
func cause(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}
