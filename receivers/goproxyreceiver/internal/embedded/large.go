// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"io"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
)

// Answers that are read into memory are bounded twice: each, by what its kind can be,
// and those above smallAnswer together, by taking turns. So what an upstream says costs
// no more with a hundred clients than with one.
const (
	// smallAnswer bounds in bytes what has no turn to wait for: an .info or a query, a
	// few hundred bytes; a record or a tile of a checksum database, at most 8 KiB of hashes.
	smallAnswer = 1 << 20
	// maxAnswer bounds .mod files, as cmd/go/internal/modfetch/codehost does, and lists.
	maxAnswer = 16 << 20
	// maxLarge is how many of more than smallAnswer are in memory at once.
	maxLarge = 4
)

// large has a place for each of them. It is the process's, as its memory is.
var large = make(chan struct{}, maxLarge)

// hold waits for a turn to have something large in memory; free ends it.
func hold(ctx context.Context) (free func(), err error) {
	defer phase.FromContext(ctx).Enter(exchange.PhaseQueue).Leave()
	select {
	case large <- struct{}{}:
		return func() { <-large }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// holdDraft is hold if the draft is large.
func holdDraft(ctx context.Context, d *draft) (free func(), err error) {
	if d.Content().Size() <= smallAnswer {
		return func() {}, nil
	}
	return hold(ctx)
}

// limitAnswer is the largest answer to a request, in bytes.
func limitAnswer(o protocol.Operation) int64 {
	if o == protocol.List {
		return maxAnswer
	}
	return smallAnswer
}

// content is an answer in memory. The zero value is none.
type content struct {
	bytes []byte
	free  func() // Nil: it has no turn.
}

// read reads an answer of the kind that is asked for, in the place of an earlier one.
func (c *content) read(ctx context.Context, a *chain.Answer, o protocol.Operation) error {
	c.done()
	clock, limit := phase.FromContext(ctx), limitAnswer(o)
	var b bytes.Buffer
	n, err := readFrom(clock, &b, io.LimitReader(a.Body, smallAnswer+1))
	if err == nil && n > smallAnswer && limit > n {
		if c.free, err = hold(ctx); err != nil {
			return chain.Stop(err)
		}
		var more int64
		more, err = readFrom(clock, &b, io.LimitReader(a.Body, limit+1-n))
		n += more
	}
	if err == nil && n > limit {
		err = badResponse("the answer is larger than %d bytes", limit)
	}
	if err != nil {
		c.done()
		return err
	}
	c.bytes = b.Bytes()
	return nil
}

func readFrom(clock *phase.Clock, b *bytes.Buffer, r io.Reader) (int64, error) {
	defer clock.Enter(exchange.PhaseDownload).Leave()
	return b.ReadFrom(r)
}

// done gives the turn back: nobody has the content in memory for long any more.
func (c *content) done() {
	c.bytes = nil
	if c.free != nil {
		c.free()
		c.free = nil
	}
}
