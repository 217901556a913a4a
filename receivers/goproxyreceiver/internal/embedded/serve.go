// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/goproxy/goproxy"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/modcache"
)

// pinnedKey holds the open file that a request is served from: what was decided
// for the request stays true even if the cache changes meanwhile.
type pinnedKey struct{}

// pinnedCacher hands the pinned file to the handler.
type pinnedCacher struct{}

var _ goproxy.Cacher = pinnedCacher{}

// Get implements [goproxy.Cacher].
func (pinnedCacher) Get(ctx context.Context, _ string) (io.ReadCloser, error) {
	f, ok := ctx.Value(pinnedKey{}).(*modcache.File)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return f, nil
}

// Put implements [goproxy.Cacher]; the handler has nothing to put.
func (pinnedCacher) Put(context.Context, string, io.ReadSeeker) error { return nil }

// noFetcher makes the handler answer from the cache: what there was to fetch has
// been fetched before.
type noFetcher struct{}

var _ goproxy.Fetcher = noFetcher{}

// Query implements [goproxy.Fetcher].
func (noFetcher) Query(context.Context, string, string) (string, time.Time, error) {
	return "", time.Time{}, fs.ErrNotExist
}

// List implements [goproxy.Fetcher].
func (noFetcher) List(context.Context, string) ([]string, error) { return nil, fs.ErrNotExist }

// Download implements [goproxy.Fetcher].
func (noFetcher) Download(context.Context, string, string) (info, mod, zip io.ReadSeekCloser, err error) {
	return nil, nil, nil, fs.ErrNotExist
}

// cacheOnly tells whether the client wants nothing fetched, by the header that
// goproxy knows.
func cacheOnly(r *http.Request) bool {
	only, _ := strconv.ParseBool(r.Header.Get("Disable-Module-Fetch"))
	return only
}

var errNotCached = &rejection{status: http.StatusNotFound, text: "not found: temporarily unavailable"}

// serveFile serves an .info, .mod or .zip, which never change.
func (p *Proxy) serveFile(w http.ResponseWriter, r *http.Request, req protocol.Request, a *Account) {
	name := req.File()
	f, err := p.cache.Open(name)
	switch {
	case err == nil:
		a.Result = exchange.Hit
	case errors.Is(err, fs.ErrNotExist) && cacheOnly(r):
		a.Result, a.MissReason = exchange.Miss, p.missReason(name)
		err = errNotCached
	case errors.Is(err, fs.ErrNotExist):
		defer p.cache.Pin(name)()
		err = p.flights.wait(r.Context(), name, a,
			func() bool { return p.cache.Has(name) },
			func(ctx context.Context) error { return p.fetch(ctx, req) })
		if err == nil {
			f, err = p.cache.Open(name)
		}
	}
	if err != nil {
		p.fail(w, r, a, err)
		return
	}
	defer f.Close() // The handler doesn't close what it finds.
	p.tellCacheStatus(w, a, f)
	p.handler.ServeHTTP(w, requestFor(r, req, f))
}

// missReason says why the file name isn't there.
func (p *Proxy) missReason(name string) string {
	if p.cache.Evicted(name) {
		return missEvicted
	}
	return missCold
}

// lookUp says what the cache knows of an answer that may change.
func (p *Proxy) lookUp(name string) (result exchange.CacheResult, missReason string) {
	if p.listTTL <= 0 {
		return exchange.Bypass, ""
	}
	f, err := p.cache.Open(name)
	if err != nil {
		return exchange.Miss, p.missReason(name)
	}
	defer f.Close()
	if time.Since(f.ModTime()) >= p.listTTL {
		return exchange.Miss, missExpired
	}
	return exchange.Hit, ""
}

// serveAnswer serves a list, latest or query, which may change: the upstream is
// asked each time, or after the TTL, and the last answer is kept for when it
// fails. That nothing is there is an answer too.
func (p *Proxy) serveAnswer(w http.ResponseWriter, r *http.Request, req protocol.Request, a *Account) {
	name := req.File()
	defer p.cache.Pin(name)()
	a.Result, a.MissReason = p.lookUp(name)
	var err error = errNotCached
	if a.Result != exchange.Hit && !cacheOnly(r) {
		err = p.follow(r, a, func(ctx context.Context) error { return p.refresh(ctx, req) })
	}
	var e *chain.Error
	if errors.As(err, &e) && e.Confirmed || r.Context().Err() != nil {
		p.fail(w, r, a, err)
		return
	}
	f, openErr := p.cache.Open(name)
	if openErr != nil {
		if err == nil {
			err = openErr
		}
		p.fail(w, r, a, err)
		return
	}
	defer f.Close()
	switch {
	case errors.Is(err, errNotCached):
		a.Result, a.MissReason = exchange.Hit, "" // Only the cache was asked.
	case err != nil:
		a.Result, a.MissReason, a.Error = exchange.Stale, "", word(err)
	}
	p.tellCacheStatus(w, a, f)
	p.handler.ServeHTTP(w, requestFor(r, req, f))
}

// follow runs fetch for this one request and accounts for its attempts.
func (p *Proxy) follow(r *http.Request, a *Account, fetch func(context.Context) error) error {
	trail := &chain.Trail{Inject: a.inject}
	err := fetch(chain.NewContext(r.Context(), trail))
	a.take(trail.Take())
	return err
}

// fail answers with what the chain says. The client's time to ask again is its
// own: nothing about a failure is to be cached.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, a *Account, err error) {
	a.Error = word(err)
	if r.Context().Err() != nil {
		return
	}
	status := http.StatusInternalServerError
	var e interface {
		error
		Status() int
	}
	switch {
	case errors.As(err, &e):
		status = e.Status()
	case errors.Is(err, errClosed):
		status = http.StatusServiceUnavailable
	default:
		p.logger.Error("module cache", zap.Error(err))
		err = errors.New("the proxy's cache failed; its log says why")
	}
	writeText(w, r, status, err.Error())
}

// word is the error.type of a failure that no status code of an upstream tells.
func word(err error) string {
	var e *chain.Error
	var rej *rejection
	switch {
	case errors.As(err, &rej):
		return rej.word
	case errors.As(err, &e):
		if errors.Is(e, fs.ErrNotExist) {
			return ""
		}
		return e.Word
	case errors.Is(err, context.Canceled), errors.Is(err, errClosed):
		return "canceled"
	case err == nil:
		return ""
	}
	return "cache_failure"
}

// writeText answers with a line of text that nobody is to cache.
func writeText(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text+"\n")
	}
}
