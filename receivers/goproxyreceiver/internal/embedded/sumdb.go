// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

// serveSumDB passes a checksum database on. Of the one whose key is known, full
// tiles and the records of lookups are kept, once they are verified: a wrong one
// would be a SECURITY ERROR for every client as long as it is kept. All else is
// asked for each time, and nothing that a request names makes a folder of its own.
func (p *Proxy) serveSumDB(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit) {
	if req.SumDBKind == protocol.SumDBSupported {
		p.serveSupported(w, r, req, v)
		return
	}
	db := p.verifier.db
	if db.key == "" || req.SumDB != db.name || req.SumDBKind == protocol.SumDBLatest {
		p.serveUncached(w, r, req, v)
		return
	}
	name := db.file(strings.TrimPrefix(req.File(), "sumdb/"))
	stored, err := p.kept(name, v)
	if err == nil {
		v.Result = exchange.Hit
	} else {
		fetch := func(ctx context.Context, l *chain.Ledger) error {
			_, err := p.verifier.lookup(ctx, l, req.Module, req.Version)
			return err
		}
		if req.SumDBKind == protocol.SumDBTile {
			look := v.Phases.Enter(exchange.PhaseCache)
			tile, tree, ok := p.verifier.verifiable(req)
			look.Leave()
			if !ok {
				p.serveUncached(w, r, req, v)
				return
			}
			fetch = func(ctx context.Context, l *chain.Ledger) error { return p.verifier.tile(ctx, l, tile, tree) }
		}
		defer v.leave(p.cache.Pin(name))
		err = p.flights.wait(r.Context(), name, v, func() bool { return p.has(name, v) }, fetch)
		if err == nil {
			if stored, err = p.kept(name, v); err != nil {
				p.serveUncached(w, r, req, v) // There was no room to keep it.
				return
			}
		}
	}
	if err != nil {
		p.fail(w, r, v, err)
		return
	}
	defer v.leave(func() { _ = stored.Close() })
	setSumDBHeader(w, req)
	w.Header().Set("ETag", stored.ETag())
	p.tellCacheStatus(w, v, stored.ModTime())
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	http.ServeContent(w, r, "", stored.ModTime(), stored)
}

func (p *Proxy) serveSupported(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit) {
	v.Result = exchange.Bypass
	err := p.follow(r, v, func(ctx context.Context, l *chain.Ledger) error {
		known, err := p.chain.SumDBSupported(ctx, chain.Request{Request: req, Ledger: l})
		if known {
			v.Result = exchange.Hit
		}
		return err
	})
	if err != nil {
		p.fail(w, r, v, err)
		return
	}
	p.tellCacheStatus(w, v, time.Time{})
	w.WriteHeader(http.StatusOK)
}

func (p *Proxy) serveUncached(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit) {
	v.Result = exchange.Bypass
	var content []byte
	err := p.follow(r, v, func(ctx context.Context, l *chain.Ledger) error {
		var err error
		content, err = p.readSumDB(ctx, l, req)
		return err
	})
	if err != nil {
		p.fail(w, r, v, err)
		return
	}
	setSumDBHeader(w, req)
	p.tellCacheStatus(w, v, time.Time{})
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// readSumDB asks the database for what req names.
func (p *Proxy) readSumDB(ctx context.Context, l *chain.Ledger, req protocol.Request) ([]byte, error) {
	file := strings.TrimPrefix(req.File(), "sumdb/"+req.SumDB)
	var got content
	err := p.chain.SumDB(ctx, chain.Request{Request: req, Ledger: l}, func(a *chain.Answer) error {
		if err := got.read(ctx, a, req.Operation); err != nil {
			return err
		}
		return checkSumDB(got.bytes, file)
	})
	return got.bytes, err
}

// checkSumDB refuses what is plainly something else than the file of a database,
// such as a sign-in page or the record of another version.
func checkSumDB(content []byte, file string) error {
	var err error
	if record, ok := strings.CutPrefix(file, "/lookup/"); ok {
		err = checkRecord(content, record)
	} else if strings.HasPrefix(file, "/tile/") {
		err = checkTile(content, file[1:])
	}
	if err != nil {
		return badResponse("invalid response: %v", err)
	}
	return nil
}

// checkRecord wants a record in which each line is one of go.sum for version, which
// is escaped (https://go.dev/ref/mod#checksum-database).
func checkRecord(content []byte, version string) error {
	_, text, _, err := tlog.ParseRecord(content)
	if err != nil {
		return err
	}
	path, version, _ := strings.Cut(version, "@")
	if path, err = module.UnescapePath(path); err != nil {
		return err
	}
	if version, err = module.UnescapeVersion(version); err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) != 3 || f[0] != path || strings.TrimSuffix(f[1], "/go.mod") != version {
			return fmt.Errorf("a record of %.100q instead of %s@%s", line, path, version)
		}
	}
	return nil
}

func checkTile(content []byte, path string) error {
	tile, err := tlog.ParseTilePath(path)
	if err != nil {
		return err
	}
	if size := tile.W * tlog.HashSize; tile.L >= 0 && len(content) != size {
		return fmt.Errorf("a tile of %d bytes instead of %d", len(content), size)
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
