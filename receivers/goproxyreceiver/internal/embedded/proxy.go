// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package embedded is a caching module proxy: the handler of goproxy/goproxy over
// our walk of the GOPROXY list and our disk cache. The handler serves only what
// is in the cache (ranges, conditional requests, entity tags); what has to be
// fetched is fetched, verified and stored before, and what can't be is answered
// with the status and the text that the list's deciding element gave.
package embedded

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/goproxy/goproxy"
	"go.uber.org/zap"
	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/chain"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/netrc"
)

// Settings are what a [Proxy] is made from.
type Settings struct {
	// Dir holds the cache (download/, in the layout of the protocol, with what of the
	// checksum database is verified), the head of that database's tree (sumdb/) and
	// the module cache of fetches from version control (direct/). One process may use
	// it at a time.
	Dir string
	// TempDir is where go commands run; empty: [os.TempDir].
	TempDir string
	// GOPROXY is the list that is asked; empty: the user's.
	GOPROXY string
	// OwnAddresses are our own listeners (host:port) and the proxy that asks us
	// ([chain.Place]), which are left out of the list.
	OwnAddresses []string
	// Env has GOPROXY, GONOPROXY, GONOSUMDB, GOSUMDB and GOAUTH. Nil: go env is asked.
	Env map[string]string
	// DirectPatterns are the module path prefixes that may be fetched from version
	// control; "*" is all, empty none. See [chain.DirectSettings].
	DirectPatterns string
	// Transport sends the upstream requests; nil: one with Timeouts.
	Transport http.RoundTripper
	Timeouts  chain.Timeouts
	TLS       chain.TLS
	Retry     chain.Retry
	Breaker   chain.Breaker
	// Guard may refuse upstream requests; see [chain.Settings].
	Guard chain.Guard
	// MaxSize bounds what download/ takes of the disk, in bytes, what is being fetched
	// included: the least recently used files are evicted. It bounds direct/ too, on
	// its own. Zero: no bound.
	MaxSize int64
	// ListTTL is how long the answer to a list, latest or query is served without
	// asking upstream. Zero: it is asked each time.
	ListTTL time.Duration
	// Logger hears of faults of the cache; nil: nobody does.
	Logger *zap.Logger
}

// Proxy is the caching module proxy.
type Proxy struct {
	// Upstream is what the list came to.
	Upstream chain.Upstream

	chain    *chain.Client
	cache    *modcache.Cache
	verifier *verifier
	flights  *flights
	empty    *empties
	handler  *goproxy.Goproxy
	listTTL  time.Duration
	logger   *zap.Logger
}

// New opens the cache and reads the environment. ctx bounds that only.
func New(ctx context.Context, s Settings) (*Proxy, error) {
	p := &Proxy{listTTL: s.ListTTL, logger: s.Logger, empty: newEmpties()}
	p.flights = newFlights(p.missReason)
	if p.logger == nil {
		p.logger = zap.NewNop()
	}
	if err := p.open(ctx, s); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Chain is the walker of the list, with what of the environment belongs to it.
type Chain struct {
	*chain.Client
	// Upstream is what the list came to.
	Upstream chain.Upstream

	db      gosumdb
	noSumDB string
}

func (s *Settings) warn(message string, err error) {
	if s.Logger != nil {
		s.Logger.Warn(message, zap.Error(err))
	}
}

// NewChain reads the environment and opens the walker that s describes, without
// a cache. ctx bounds that only.
func NewChain(ctx context.Context, s Settings) (*Chain, error) {
	env := s.Env
	if env == nil {
		var err error
		if env, err = chain.GoEnv(ctx, "GOPROXY", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOAUTH"); err != nil {
			return nil, err
		}
	}
	upstream, err := chain.Resolve(ctx, s.GOPROXY, env["GOPROXY"], s.OwnAddresses)
	if err != nil {
		return nil, err
	}
	db, err := parseGOSUMDB(env["GOSUMDB"])
	if err != nil {
		return nil, err
	}
	sumdbs := make(map[string]chain.SumDB)
	if db.key != "" {
		sumdbs[db.name] = chain.SumDB{URL: db.url, Only: db.only}
	}
	client, err := chain.New(chain.Settings{ //nolint:contextcheck // Certificates are read again long after ctx.
		List:    upstream.List,
		NoProxy: env["GONOPROXY"],
		Direct: newBoundedDirect(chain.NewGoDirect(chain.DirectSettings{
			Patterns: s.DirectPatterns,
			Private:  env["GONOPROXY"],
			ModCache: filepath.Join(s.Dir, "direct"),
			TempDir:  s.TempDir,
		}), filepath.Join(s.Dir, "direct"), s.MaxSize),
		SumDBs:    sumdbs,
		Guard:     s.Guard,
		Transport: s.Transport,
		Timeouts:  s.Timeouts,
		TLS:       s.TLS,
		Retry:     s.Retry,
		Breaker:   s.Breaker,
		Netrc:     netrc.File(env["GOAUTH"], os.Getenv),
		Warn:      s.warn,
	})
	if err != nil {
		return nil, err
	}
	return &Chain{Client: client, Upstream: upstream, db: db, noSumDB: env["GONOSUMDB"]}, nil
}

func (p *Proxy) open(ctx context.Context, s Settings) error {
	c, err := NewChain(ctx, s)
	if err != nil {
		return err
	}
	p.chain, p.Upstream = c.Client, c.Upstream
	if p.cache, err = modcache.OpenBounded(filepath.Join(s.Dir, "download"), s.MaxSize); err != nil {
		return err
	}
	heads, err := modcache.Open(filepath.Join(s.Dir, "sumdb"))
	if err != nil {
		return err
	}
	for _, cache := range []*modcache.Cache{p.cache, heads} {
		cache.OnSpill(func(err error) {
			p.logger.Error("the cache's disk takes no files; they are kept in the temporary directory meanwhile", zap.Error(err))
		})
	}
	for _, before := range []string{"tile", "lookup"} { // what earlier versions kept there, without a bound
		_ = os.RemoveAll(filepath.Join(s.Dir, "sumdb", url.QueryEscape(c.db.name), before))
	}
	p.verifier = &verifier{db: c.db, noSumDB: c.noSumDB, chain: p.chain, cache: p.cache, heads: heads}
	p.handler = &goproxy.Goproxy{
		Fetcher: noFetcher{},
		Cacher:  pinnedCacher{},
		TempDir: s.TempDir,
		Logger:  slog.New(slog.DiscardHandler),
	}
	return nil
}

// Close cancels the running fetches and waits for their end. Requests that are
// being served from the cache end well; later ones that need a fetch get 503.
func (p *Proxy) Close() {
	p.flights.close()
	if p.chain != nil {
		p.chain.Close()
	}
	if p.cache != nil {
		p.cache.Close()
	}
	if p.verifier != nil {
		p.verifier.heads.Close()
	}
}

// Hosts are the upstreams that were asked; see [chain.Client.Hosts].
func (p *Proxy) Hosts() []chain.Host { return p.chain.Hosts() }

// Usage is what the cache holds; see [modcache.Cache.Usage].
func (p *Proxy) Usage() (modcache.Usage, bool) { return p.cache.Usage() }

// Serve answers r, a GET or HEAD, for c. A path prefix before the module path is
// ignored. If the client has left while its file was fetched nothing is written.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, c Caller) Account {
	v := &visit{Caller: c}
	req := c.Request
	if req.Operation != protocol.SumDB && !modcache.ValidName(req.File()) {
		req.Operation = protocol.Other // Among others a query as long as no version is.
	}
	switch op := req.Operation; {
	case op.IsFile():
		if err := module.Check(req.Module, req.Version); err != nil {
			writeText(w, r, http.StatusNotFound, fmt.Sprintf("not found: %v", err))
			break
		}
		p.serveFile(w, r, req, v)
	case op.IsQuery():
		p.serveAnswer(w, r, req, v)
	case op == protocol.SumDB:
		p.serveSumDB(w, r, req, v)
	default:
		writeText(w, r, http.StatusNotFound, "not found: not a path of the GOPROXY protocol")
	}
	return v.Account
}

// requestFor is r as the handler reads it: without a prefix, and with what is to be
// served.
func requestFor(r *http.Request, req protocol.Request, content io.ReadCloser) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), pinnedKey{}, content))
	r.URL = &url.URL{Path: "/" + req.File()}
	return r
}
