// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// interval between two requests: 200 a second.
	interval = 5 * time.Millisecond
	// maxInFlight bounds the requests that wait while nothing answers; above it
	// none is sent.
	maxInFlight = 400
)

// load asks target and control for the same files at the same rate, in turn.
type load struct {
	target, control *client
	paths           []string
	// rare is asked for once in a hundred requests, instead. Empty: never.
	rare string

	stopping chan struct{}
	sending  sync.WaitGroup
}

func (l *load) begin() {
	stopping := make(chan struct{})
	l.stopping = stopping
	l.sending.Go(func() { l.send(stopping) })
}

// end stops sending and waits for the last answers. It may be called twice.
func (l *load) end() {
	if l.stopping != nil {
		close(l.stopping)
		l.stopping = nil
	}
	l.sending.Wait()
}

func (l *load) send(stopping <-chan struct{}) {
	var inFlight atomic.Int32
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for i := 0; ; i++ {
		select {
		case <-stopping:
			return
		case <-ticks.C:
		}
		path := l.paths[rand.IntN(len(l.paths))]
		if l.rare != "" && i%100 == 99 {
			path = l.rare
		}
		// Which is first changes, so that neither finds the machine awake more often.
		first, second := l.target, l.control
		if i%2 == 1 {
			first, second = second, first
		}
		for at, c := range []*client{first, second} {
			if inFlight.Load() >= maxInFlight {
				continue
			}
			inFlight.Add(1)
			l.sending.Go(func() {
				defer inFlight.Add(-1)
				time.Sleep(time.Duration(at) * interval / 2)
				_ = c.get(path) // its record tells
			})
		}
	}
}
