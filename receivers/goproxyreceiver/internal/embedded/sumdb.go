// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/modcache"
)

// serveSumDB passes a checksum database on. Full tiles and the records of lookups
// never change and are kept; what our own verification has brought is used too.
// The client verifies all of it itself.
func (p *Proxy) serveSumDB(w http.ResponseWriter, r *http.Request, req protocol.Request, a *Account) {
	switch req.SumDBKind {
	case protocol.SumDBSupported:
		p.serveSupported(w, r, req, a)
		return
	case protocol.SumDBLatest:
		p.serveUncached(w, r, req, a)
		return
	}
	name := req.File()
	stored, err := p.openSumDB(name)
	switch {
	case err == nil:
		a.Result = exchange.Hit
	case !cacheable(req):
		p.serveUncached(w, r, req, a)
		return
	default:
		defer p.cache.Pin(name)()
		err = p.flights.wait(r.Context(), name, a,
			func() bool { return p.cache.Has(name) },
			func(ctx context.Context) error {
				content, err := p.readSumDB(ctx, req)
				if err != nil {
					return err
				}
				return p.cache.Write(name, content)
			})
		if err == nil {
			stored, err = p.cache.Open(name)
		}
	}
	if err != nil {
		p.fail(w, r, a, err)
		return
	}
	defer stored.Close()
	setSumDBHeader(w, req)
	w.Header().Set("ETag", stored.ETag())
	p.tellCacheStatus(w, a, stored)
	http.ServeContent(w, r, "", stored.ModTime(), stored)
}

// openSumDB opens a stored answer: one that we have verified, else one that was
// passed on.
func (p *Proxy) openSumDB(name string) (*modcache.File, error) {
	f, err := p.verifier.store.Open(strings.TrimPrefix(name, "sumdb/"))
	if err == nil {
		return f, nil
	}
	return p.cache.Open(name)
}

// cacheable tells what never changes and is worth a file: no partial tiles, which
// a fuller one replaces soon.
func cacheable(req protocol.Request) bool {
	partial := strings.Contains(req.Tile, ".p/")
	return !partial && modcache.ValidName(req.File())
}

func (p *Proxy) serveSupported(w http.ResponseWriter, r *http.Request, req protocol.Request, a *Account) {
	a.Result = exchange.Bypass
	err := p.follow(r, a, func(ctx context.Context) error {
		known, err := p.chain.SumDBSupported(ctx, req.SumDB)
		if known {
			a.Result = exchange.Hit
		}
		return err
	})
	if err != nil {
		p.fail(w, r, a, err)
		return
	}
	p.tellCacheStatus(w, a, nil)
	w.WriteHeader(http.StatusOK)
}

func (p *Proxy) serveUncached(w http.ResponseWriter, r *http.Request, req protocol.Request, a *Account) {
	a.Result = exchange.Bypass
	var content []byte
	err := p.follow(r, a, func(ctx context.Context) error {
		var err error
		content, err = p.readSumDB(ctx, req)
		return err
	})
	if err != nil {
		p.fail(w, r, a, err)
		return
	}
	setSumDBHeader(w, req)
	p.tellCacheStatus(w, a, nil)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// readSumDB asks the database for what req names.
func (p *Proxy) readSumDB(ctx context.Context, req protocol.Request) ([]byte, error) {
	file := strings.TrimPrefix(req.File(), "sumdb/"+req.SumDB+"/")
	var content []byte
	err := p.chain.SumDB(ctx, req.SumDB, file, func(a *chain.Answer) error {
		var err error
		if content, err = readAnswer(a); err != nil {
			return err
		}
		return checkSumDB(content, req)
	})
	return content, err
}

// checkSumDB refuses what is plainly something else, such as a sign-in page.
func checkSumDB(content []byte, req protocol.Request) error {
	switch req.SumDBKind {
	case protocol.SumDBLookup:
		if _, _, _, err := tlog.ParseRecord(content); err != nil {
			return badResponse("invalid response: %v", err)
		}
	case protocol.SumDBTile:
		tile, err := tlog.ParseTilePath(path.Join("tile", req.Tile))
		if err != nil {
			return badResponse("invalid response: %v", err)
		}
		if size := tile.W * tlog.HashSize; tile.L >= 0 && len(content) != size {
			return badResponse("invalid response: a tile of %d bytes instead of %d", len(content), size)
		}
	}
	return nil
}

func setSumDBHeader(w http.ResponseWriter, req protocol.Request) {
	contentType, age := "text/plain; charset=utf-8", "86400"
	switch req.SumDBKind {
	case protocol.SumDBTile:
		contentType = "application/octet-stream"
	case protocol.SumDBLatest:
		age = "3600"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "public, max-age="+age)
}
