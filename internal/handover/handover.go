// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package handover lets who hands a batch to exporters, again and again until each has taken it, tell them when it gives up. Only
// then is lost what an exporter refused: until then its refusals are attempts, and counted as nothing else.
package handover

import (
	"context"
	"sync"
)

// Batch is what is handed over. Its methods work on nil, which remembers nothing.
type Batch struct {
	mu      sync.Mutex
	calls   map[any]int       // Of this time, by exporter.
	answers map[part][]func() // What counts a loss; none: it is taken.
}

// part is what of a batch an exporter is called with: several pipelines may lead to it.
type part struct {
	exporter any
	call     int
}

type key struct{}

// NewContext returns the context with which a batch is handed over, each time.
func NewContext(ctx context.Context) (context.Context, *Batch) {
	b := new(Batch)
	return context.WithValue(ctx, key{}, b), b
}

// FromContext returns the batch of ctx; nil: who hands it over says nothing of what becomes of it.
func FromContext(ctx context.Context) *Batch {
	b, _ := ctx.Value(key{}).(*Batch)
	return b
}

// Begin begins to hand it over, each time.
func (b *Batch) Begin() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.calls)
}

// Answered notes how an exporter answered: what counts its loss if the batch isn't handed over again, none if it took it. What it
// has taken once it has, whatever it says to a repetition.
func (b *Batch) Answered(exporter any, losses []func()) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls == nil {
		b.calls, b.answers = make(map[any]int), make(map[part][]func())
	}
	of := part{exporter, b.calls[exporter]}
	b.calls[exporter]++
	if before, asked := b.answers[of]; asked && len(before) == 0 {
		return
	}
	b.answers[of] = losses
}

// GiveUp counts what the exporters that have not taken the batch lost by it.
func (b *Batch) GiveUp() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, losses := range b.answers {
		for _, count := range losses {
			count()
		}
	}
	clear(b.answers)
}
