// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
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
	"github.com/modtap/modtap/internal/phase"
	"github.com/modtap/modtap/internal/printable"
	"github.com/modtap/modtap/internal/redact"
)

// pinnedKey holds the open file that a request is served from, or the answer that
// isn't kept: what was decided for the request stays true even if the cache changes
// meanwhile.
type pinnedKey struct{}

// inMemory is an answer that is in no file.
type inMemory struct{ *bytes.Reader }

// Close implements [io.Closer].
func (inMemory) Close() error { return nil }

// pinnedCacher hands what is pinned to the handler.
type pinnedCacher struct{}

var _ goproxy.Cacher = pinnedCacher{}

// Get implements [goproxy.Cacher].
func (pinnedCacher) Get(ctx context.Context, _ string) (io.ReadCloser, error) {
	if content, ok := ctx.Value(pinnedKey{}).(io.ReadCloser); ok {
		return content, nil
	}
	return nil, fs.ErrNotExist
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
func (p *Proxy) serveFile(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit) {
	name := req.File()
	f, err := p.openWhole(req, v)
	switch {
	case err == nil:
		v.Result = exchange.Hit
	case errors.Is(err, fs.ErrNotExist) && cacheOnly(r):
		v.Result, v.MissReason = exchange.Miss, p.whyMissing(name, v)
		err = errNotCached
	case errors.Is(err, fs.ErrNotExist):
		defer v.leave(p.cache.Pin(name))
		err = p.flights.wait(r.Context(), name, v,
			func() bool { return p.has(name, v) },
			func(ctx context.Context, l *chain.Ledger) error { return p.fetch(ctx, l, req) })
		if err == nil {
			f, err = p.kept(name, v)
		}
	}
	if err != nil {
		p.fail(w, r, v, err)
		return
	}
	defer v.leave(func() { _ = f.Close() }) // The handler doesn't close what it finds.
	p.tellCacheStatus(w, v, time.Time{})
	p.serve(w, r, req, v, f)
}

// serve lets the handler answer with content. Reading it is the cache's time, sending
// it isn't.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit, content io.ReadCloser) {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	p.handler.ServeHTTP(w, requestFor(r, req, content))
}

// kept opens a stored file.
func (p *Proxy) kept(name string, v *visit) (*modcache.File, error) {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	return p.cache.Open(name)
}

// openWhole opens a stored file. One that the disk has broken since, as its end
// shows, is removed and as good as none.
func (p *Proxy) openWhole(req protocol.Request, v *visit) (*modcache.File, error) {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	f, err := p.cache.Open(req.File())
	if err != nil || req.Operation != protocol.Zip || wholeZip(f, f.Size()) {
		return f, err
	}
	_ = f.Close() // Read only.
	p.cache.Remove(req.File())
	p.logger.Warn("a stored zip was broken; it is fetched again", zap.String("file", req.File()))
	return nil, fs.ErrNotExist
}

func (p *Proxy) has(name string, v *visit) bool {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	return p.cache.Has(name)
}

// missReason says why the file name isn't there.
func (p *Proxy) missReason(name string) string {
	if p.cache.Evicted(name) {
		return exchange.MissEvicted
	}
	return exchange.MissCold
}

func (p *Proxy) whyMissing(name string, v *visit) string {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	return p.missReason(name)
}

// lookUp says what the cache knows of an answer that may change.
func (p *Proxy) lookUp(name string, v *visit) (result exchange.CacheResult, missReason string) {
	defer v.Phases.Enter(exchange.PhaseCache).Leave()
	if p.listTTL <= 0 {
		return exchange.Bypass, ""
	}
	at, empty := p.empty.get(name)
	if !empty {
		f, err := p.cache.Open(name)
		if err != nil {
			return exchange.Miss, p.missReason(name)
		}
		at = f.ModTime()
		_ = f.Close() // Read only.
	}
	if time.Since(at) >= p.listTTL {
		return exchange.Miss, exchange.MissExpired
	}
	return exchange.Hit, ""
}

// serveAnswer serves a list, latest or query, which may change: the upstream is
// asked each time, or after the TTL, and the last answer is kept for when it
// fails. That nothing is there is an answer too.
func (p *Proxy) serveAnswer(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit) {
	name := req.File()
	defer v.leave(p.cache.Pin(name))
	v.Result, v.MissReason = p.lookUp(name, v)
	var err error = errNotCached
	var fresh *inMemory
	if v.Result != exchange.Hit && !cacheOnly(r) {
		err = p.follow(r, v, func(ctx context.Context, l *chain.Ledger) error {
			var err error
			fresh, err = p.refresh(ctx, l, req)
			return err
		})
	}
	var e *chain.Error
	switch {
	case errors.As(err, &e) && (e.Confirmed || decided(e)) || r.Context().Err() != nil:
		p.fail(w, r, v, err)
	case fresh != nil:
		p.tellCacheStatus(w, v, time.Time{})
		p.serve(w, r, req, v, fresh)
	default:
		p.serveKept(w, r, req, v, err)
	}
}

// serveKept serves the answer that is kept. err is why it isn't a new one: nil, it
// is, or errNotCached where only the cache was asked.
func (p *Proxy) serveKept(w http.ResponseWriter, r *http.Request, req protocol.Request, v *visit, err error) {
	var content io.ReadCloser = inMemory{new(bytes.Reader)}
	at, empty := p.empty.get(req.File())
	if !empty {
		f, openErr := p.kept(req.File(), v)
		if openErr != nil {
			if err == nil {
				err = openErr
			}
			p.fail(w, r, v, err)
			return
		}
		defer v.leave(func() { _ = f.Close() })
		content, at = f, f.ModTime()
	}
	switch {
	case errors.Is(err, errNotCached):
		v.Result, v.MissReason = exchange.Hit, "" // Only the cache was asked.
	case err != nil:
		v.Result, v.MissReason, v.Error = exchange.Stale, "", word(err)
	}
	p.tellCacheStatus(w, v, at)
	p.serve(w, r, req, v, content)
}

// decided reports whether the upstream won't give this answer, to anybody who asks
// as we do: an older one doesn't take its place. What passes by itself, or when
// credentials are renewed, is a failure like any other.
func decided(e *chain.Error) bool {
	return e.Denied() && e.Code != http.StatusTooManyRequests && e.Code != http.StatusUnauthorized
}

// follow runs bring for this one request and accounts for its attempts.
func (p *Proxy) follow(r *http.Request, v *visit, bring fetch) error {
	l := &chain.Ledger{Inject: v.Inject}
	err := bring(phase.NewContext(r.Context(), v.Phases), l)
	v.take(l)
	return err
}

// fail answers with what the chain says. The client's time to ask again is its
// own: nothing about a failure is to be cached.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	v.Error = word(err)
	if r.Context().Err() != nil {
		return
	}
	status := http.StatusInternalServerError
	var e interface {
		error
		Status() int
	}
	if of, ok := errors.AsType[*chain.Error](err); ok && of.RetryAfter != "" {
		w.Header().Set("Retry-After", of.RetryAfter)
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
		return exchange.ErrorCanceled
	case err == nil:
		return ""
	}
	return exchange.ErrorCacheFailure
}

// writeText answers with a line of text that nobody is to cache.
func writeText(w http.ResponseWriter, r *http.Request, status int, text string) {
	text = printable.Text(redact.Text(text)) // It may quote an upstream, and is shown in a terminal.
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text+"\n")
	}
}
