// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"

	"go.uber.org/zap"
	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/phase"
)

// maxZip is the largest .zip that is taken, that of cmd/go/internal/modfetch/codehost.
const maxZip = 500 << 20

// rejection is an answer that was refused, or not asked for.
type rejection struct {
	status int
	word   string
	text   string
}

func (r *rejection) Error() string     { return r.text }
func (r *rejection) ErrorType() string { return r.word }
func (r *rejection) Status() int       { return r.status }

func badResponse(format string, args ...any) *rejection {
	return &rejection{status: http.StatusBadGateway, word: exchange.ErrorBadResponse, text: fmt.Sprintf(format, args...)}
}

// fetch brings one file into the cache, and with it the files of the same version
// that a fetch from version control brings along. Where the cache's disk is full
// it is fetched once more, to be served from elsewhere.
func (p *Proxy) fetch(ctx context.Context, l *chain.Ledger, req protocol.Request) error {
	err := p.fetchOnce(ctx, l, req)
	if err != nil && p.divert(ctx, err) {
		err = p.fetchOnce(ctx, l, req)
	}
	return err
}

func (p *Proxy) divert(ctx context.Context, err error) bool {
	defer phase.FromContext(ctx).Enter(exchange.PhaseStore).Leave()
	return p.cache.Divert(err)
}

func (p *Proxy) fetchOnce(ctx context.Context, l *chain.Ledger, req protocol.Request) error {
	var drafts []*draft
	name, clock := req.File(), phase.FromContext(ctx)
	discard := func() {
		defer clock.Enter(exchange.PhaseStore).Leave()
		for _, d := range drafts {
			d.ahead.abandon()
			d.Discard()
		}
		drafts = nil
	}
	defer func() { discard() }()

	err := p.chain.Do(ctx, chain.Request{Request: req, Ledger: l}, func(a *chain.Answer) error {
		discard() // What an earlier element left unfinished.
		take := func(name string, content io.Reader) error {
			defer clock.Enter(exchange.PhaseStore).Leave()
			file, err := p.cache.Create(ctx, name)
			if err != nil {
				return chain.Stop(err)
			}
			d := &draft{Draft: file}
			if path.Ext(name) == ".zip" {
				d.ahead = hashAhead(file, clock)
			}
			drafts = append(drafts, d)
			return receive(d, content, limit(name))
		}
		for sibling, content := range a.Siblings {
			look := clock.Enter(exchange.PhaseCache)
			has := p.cache.Has(sibling)
			if look.Leave(); has {
				continue
			}
			if err := take(sibling, content); err != nil {
				return err
			}
		}
		if err := take(name, a.Body); err != nil {
			return err
		}
		if req.Operation == protocol.Info {
			defer clock.Enter(exchange.PhaseVerify).Leave()
			return checkInfoFile(drafts[len(drafts)-1], req)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.verify(ctx, l, drafts, module.Version{Path: req.Module, Version: req.Version}); err != nil {
		return err
	}
	defer clock.Enter(exchange.PhaseStore).Leave()
	for _, d := range drafts {
		if err := d.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// draft is a file that is being fetched.
type draft struct {
	*modcache.Draft
	ahead *ahead // of a zip
}

// Write implements [io.Writer].
func (d *draft) Write(p []byte) (int, error) {
	n, err := d.Draft.Write(p)
	if d.ahead != nil {
		d.ahead.wrote(n)
	}
	return n, err
}

// verify returns nil if all drafts, files of m, are what they should be.
func (p *Proxy) verify(ctx context.Context, l *chain.Ledger, drafts []*draft, m module.Version) error {
	defer phase.FromContext(ctx).Enter(exchange.PhaseVerify).Leave()
	for _, d := range drafts {
		h1, err := check(ctx, d, m)
		if err == nil && h1 != "" {
			err = p.verifier.verify(ctx, l, d.Name(), m, h1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func limit(name string) int64 {
	switch path.Ext(name) {
	case ".zip":
		return maxZip
	case ".info":
		return smallAnswer
	}
	return maxAnswer
}

// receive copies content into d. That the disk fails is not the element's fault.
func receive(d *draft, content io.Reader, limit int64) error {
	w := &watchedWriter{w: d}
	n, err := io.Copy(w, io.LimitReader(content, limit+1))
	switch {
	case w.err != nil:
		return chain.Stop(w.err)
	case err != nil:
		return err
	case n > limit:
		return badResponse("%s is larger than %d bytes", d.Name(), limit)
	}
	return nil
}

// watchedWriter tells an error of the writer from one of the reader.
type watchedWriter struct {
	w   io.Writer
	err error
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

func readDraft(d *draft) ([]byte, error) { return io.ReadAll(d.Content()) }

func checkInfoFile(d *draft, req protocol.Request) error {
	content, err := readDraft(d)
	if err != nil {
		return chain.Stop(err)
	}
	return checkInfo(content, req)
}

// refresh asks for a list, latest or query and keeps the answer as it is, Origin
// included. It returns the answer if that isn't kept: it is empty, or there is no
// room for it.
func (p *Proxy) refresh(ctx context.Context, l *chain.Ledger, req protocol.Request) (*inMemory, error) {
	var got content
	defer got.done()
	clock := phase.FromContext(ctx)
	err := p.chain.Do(ctx, chain.Request{Request: req, Ledger: l}, func(a *chain.Answer) error {
		if err := got.read(ctx, a, req.Operation); err != nil {
			return err
		}
		defer clock.Enter(exchange.PhaseVerify).Leave()
		if req.Operation == protocol.List {
			return checkList(got.bytes)
		}
		return checkInfo(got.bytes, req)
	})
	if err != nil {
		return nil, err
	}
	defer clock.Enter(exchange.PhaseStore).Leave()
	content := got.bytes
	p.empty.note(req.File(), len(content) == 0)
	err = p.cache.Write(ctx, req.File(), content)
	if err == nil && p.listTTL > 0 && len(content) > 0 {
		err = p.cache.Confirm(req.File())
	}
	if err != nil && ctx.Err() == nil {
		p.logger.Error("module cache", zap.Error(err))
	}
	if err != nil || len(content) == 0 {
		return &inMemory{bytes.NewReader(content)}, nil
	}
	return nil, nil //nolint:nilnil // it is kept
}
