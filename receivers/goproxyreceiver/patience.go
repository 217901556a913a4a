// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
)

// errStill ends a body that stands still.
var errStill = fmt.Errorf("no byte of the body came in time: %w", os.ErrDeadlineExceeded)

// stillAfter is how long an upstream may be silent in the middle of an answer until it
// is its doing that the client leaves: the go command itself waits for ever, and who
// stops it then has waited in vain. Before the header it may be at work.
const stillAfter = 5 * time.Second

// movingBody is the body of an answer that must not stand still. The time between two
// reads is the client's and doesn't count.
type movingBody struct {
	body   io.Reader
	idle   time.Duration // zero: it may, or somebody else sees to it
	cancel context.CancelCauseFunc
	timer  *time.Timer
	asked  time.Time // when the current read, or the last, began
	still  bool      // the time was over
}

func (b *movingBody) Read(p []byte) (int, error) {
	b.asked = time.Now()
	if b.idle > 0 {
		if b.timer == nil {
			b.timer = time.AfterFunc(b.idle, func() { b.cancel(errStill) })
		} else {
			b.timer.Reset(b.idle)
		}
	}
	n, err := b.body.Read(p)
	if b.timer != nil && !b.timer.Stop() {
		b.still = true
	}
	if b.still && err != nil && err != io.EOF {
		err = errStill
	}
	return n, err
}

// fault returns whose doing it is that err ended the answer, and the word for it where
// it is the upstream's: a client that leaves an answer that stands still had no choice.
func (b *movingBody) fault(client context.Context, err error) (exchange.Disposition, string) {
	switch gone := client.Err() != nil; {
	case errors.Is(err, errClient), gone && time.Since(b.asked) < stillAfter:
		return exchange.ClientGone, ""
	case gone:
		err = errStill
	}
	return exchange.UpstreamBroke, chain.Word(err)
}
