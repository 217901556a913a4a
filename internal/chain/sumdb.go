// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
)

// SumDB is a checksum database that may be asked without a proxy.
type SumDB struct {
	// URL is its base.
	URL *url.URL
	// Only is true where GOSUMDB names the URL: no proxy is asked then.
	Only bool
}

// baseTTL is how long it is remembered where a database is reached: long enough
// for the hundreds of requests of a build, short enough for a list that changes
// its mind.
const baseTTL = 10 * time.Minute

// base is where a checksum database is reached. turn holds one token, taken by
// whoever looks at the rest or finds it out.
type base struct {
	turn    chan struct{}
	element Element
	until   time.Time
}

// SumDB asks a checksum database for its latest tree head, a lookup or a tile, as
// dbClient in cmd/go/internal/modfetch does: the first element of the list that
// says to support the database is the only way to it, without one the database
// itself is asked, if [Settings.SumDBs] allows it. The errors are those of Do.
func (c *Client) SumDB(ctx context.Context, r Request, accept func(*Answer) error) error {
	below, ok := strings.CutPrefix(r.File(), "sumdb/"+r.SumDB+"/")
	if !ok || r.SumDBKind == goproxy.SumDBSupported {
		return notTheProtocol()
	}
	r.Prefix = ""
	e, _, err := c.sumDBBase(ctx, r)
	if err != nil {
		return err
	}
	s := c.ask(ctx, e, join(e.URL, below), r, accept)
	s.end("")
	if s.failed != nil {
		s.failed.Confirmed = s.failed.certain()
	}
	return s.err()
}

// SumDBSupported returns nil if the database that r names can be reached, and whether
// that was known before: then nothing was asked.
func (c *Client) SumDBSupported(ctx context.Context, r Request) (known bool, err error) {
	_, known, err = c.sumDBBase(ctx, r)
	return known, err
}

func (c *Client) sumDBBase(ctx context.Context, r Request) (e Element, known bool, err error) {
	name := r.SumDB
	db, direct := c.sumdbs[name]
	if db.Only {
		return Element{URL: db.URL}, true, nil
	}
	c.mu.Lock()
	b := c.bases[name]
	if b == nil {
		b = &base{turn: make(chan struct{}, 1)}
		b.turn <- struct{}{}
		if direct || len(c.bases) < maxBases {
			c.bases[name] = b
		}
	}
	c.mu.Unlock()

	if err := b.take(ctx); err != nil {
		return Element{}, false, err
	}
	defer func() { b.turn <- struct{}{} }()
	if time.Now().Before(b.until) {
		return b.element, true, nil
	}
	found, err := c.findSumDB(ctx, r)
	if errors.Is(err, fs.ErrNotExist) && direct {
		found, err = Element{URL: db.URL}, nil
	}
	switch {
	case err == nil:
		b.element, b.until = found, time.Now().Add(baseTTL)
	case !b.until.IsZero() && !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil:
		return b.element, false, nil // While the list fails it stays where it was.
	}
	return b.element, false, err
}

// take waits for the turn, which the caller gives back.
func (b *base) take(ctx context.Context) error {
	defer phase.FromContext(ctx).Enter(exchange.PhaseQueue).Leave()
	select {
	case <-b.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxBases bounds what is remembered beside the known databases: the names come
// from requests.
const maxBases = 64

// findSumDB asks each proxy whether it supports the database.
func (c *Client) findSumDB(ctx context.Context, r Request) (Element, error) {
	var found Element
	supported := Request{Ledger: r.Ledger, Request: goproxy.Request{Operation: goproxy.SumDB, SumDB: r.SumDB, SumDBKind: goproxy.SumDBSupported}}
	err := c.walk(ctx, func(e Element) step {
		if e.URL == nil {
			return step{failed: &Error{Element: e.String(), Word: exchange.ErrorNotFound, Err: errNotFound("no proxy supports the checksum database " + r.SumDB)}}
		}
		s := c.ask(ctx, e, join(e.URL, supported.File()), supported, func(a *Answer) error {
			_, err := io.Copy(io.Discard, io.LimitReader(a.Body, maxDrain))
			return err
		})
		if s.failed == nil && s.stop == nil {
			found = Element{Kind: e.Kind, URL: join(e.URL, "sumdb/"+r.SumDB)}
		}
		return s
	})
	return found, err
}
