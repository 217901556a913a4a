// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// patience is how long a write may take before it counts as failed. A local
// file takes milliseconds for the largest batch.
const patience = 5 * time.Second

// bounded writes to an output, and waits for no write longer than patience: a
// pipe that nobody reads, or a file system that hangs, blocks a write for as
// long as it likes, and neither the consumer nor a stop may wait for that. It
// is for one goroutine at a time.
type bounded struct {
	out  output
	wait time.Duration

	// stuck is a write that took longer. It goes on, and what it carries may arrive
	// yet: nothing else touches the output until it has ended.
	stuck *writing
	// late is a stuck write that has ended since.
	late *writing
}

// writing is one write. batch belongs to it alone.
type writing struct {
	batch []byte
	ended chan struct{}
	err   error // Valid after ended.
}

func newBounded(out output) *bounded { return &bounded{out: out, wait: patience} }

// ready waits for a stuck write. After nil no write is under way.
func (b *bounded) ready(ctx context.Context) error {
	if b.stuck == nil {
		return nil
	}
	if err := b.await(ctx, b.stuck); err != nil {
		return err
	}
	b.late, b.stuck = b.stuck, nil
	return nil
}

// write writes a batch of whole lines, once ready. Where it doesn't return nil
// the batch must not be changed any more. The batch of a stuck write that comes
// again isn't written again: it has what became of the first write.
func (b *bounded) write(ctx context.Context, batch []byte) error {
	late := b.late
	b.late = nil
	if late != nil && bytes.Equal(late.batch, batch) {
		return late.err
	}
	w := &writing{batch: batch, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		_, w.err = b.out.Write(batch)
	}()
	if err := b.await(ctx, w); err != nil {
		b.stuck = w
		return err
	}
	return w.err
}

func (b *bounded) await(ctx context.Context, w *writing) error {
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case <-w.ended:
		return nil
	case <-timer.C:
		return fmt.Errorf("a write takes longer than %v: nobody reads what is written, or its file system hangs", b.wait)
	case <-ctx.Done():
		return fmt.Errorf("a write hangs: %w", ctx.Err())
	}
}

// close leaves the output of a stuck write open: closing it could block too, and
// only a process that ends closes it.
func (b *bounded) close() error {
	if b.stuck != nil {
		select {
		case <-b.stuck.ended:
		default:
			return nil
		}
	}
	return b.out.Close()
}
