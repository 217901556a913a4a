// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modtap/modtap/internal/chain"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/modcache"
)

// The largest files that are taken; those of cmd/go/internal/modfetch/codehost
// for .mod and .zip.
const (
	maxAnswer = 16 << 20
	maxZip    = 500 << 20
)

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
	return &rejection{status: http.StatusBadGateway, word: "bad_response", text: fmt.Sprintf(format, args...)}
}

// fetch brings one file into the cache, and with it the files of the same version
// that a fetch from version control brings along. Where the cache's disk is full
// it is fetched once more, to be served from elsewhere.
func (p *Proxy) fetch(ctx context.Context, req protocol.Request) error {
	err := p.fetchOnce(ctx, req)
	if err != nil && p.cache.Divert(err) {
		err = p.fetchOnce(ctx, req)
	}
	return err
}

func (p *Proxy) fetchOnce(ctx context.Context, req protocol.Request) error {
	var drafts []*modcache.Draft
	discard := func() {
		for _, d := range drafts {
			d.Discard()
		}
		drafts = nil
	}
	defer func() { discard() }()

	name := req.File()
	err := p.chain.Do(ctx, chain.Request{File: name}, func(a *chain.Answer) error {
		discard() // What an earlier element left unfinished.
		take := func(name string, content io.Reader) error {
			d, err := p.cache.Create(name)
			if err != nil {
				return chain.Stop(err)
			}
			drafts = append(drafts, d)
			return receive(d, content, limit(name))
		}
		for sibling, content := range a.Siblings {
			if p.cache.Has(sibling) {
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
			return checkInfoFile(drafts[len(drafts)-1], req)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if err := p.check(ctx, d, module.Version{Path: req.Module, Version: req.Version}); err != nil {
			return err
		}
	}
	for _, d := range drafts {
		if err := d.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func limit(name string) int64 {
	if path.Ext(name) == ".zip" {
		return maxZip
	}
	return maxAnswer
}

// receive copies content into d. That the disk fails is not the element's fault.
func receive(d *modcache.Draft, content io.Reader, limit int64) error {
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

// check refuses a file that the go command would refuse, before it gets into the
// cache: nobody would ever fetch it again.
func (p *Proxy) check(ctx context.Context, d *modcache.Draft, m module.Version) error {
	switch path.Ext(d.Name()) {
	case ".mod":
		content, err := readDraft(d)
		if err != nil {
			return err
		}
		if modfile.ModulePath(content) == "" {
			return badResponse("bad response for %s: no go.mod file: it has no module directive", d.Name())
		}
	case ".zip":
		if _, err := modzip.CheckZip(m, d.Path()); err != nil {
			return badResponse("bad response for %s: %v", d.Name(), err)
		}
	default:
		return nil
	}
	return p.verifier.verify(ctx, d, m)
}

func readDraft(d *modcache.Draft) ([]byte, error) {
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(d)
}

func checkInfoFile(d *modcache.Draft, req protocol.Request) error {
	content, err := readDraft(d)
	if err != nil {
		return chain.Stop(err)
	}
	return checkInfo(content, req)
}

// checkInfo does what proxyRepo.Stat in cmd/go/internal/modfetch does: for a
// version the answer must be that version.
func checkInfo(content []byte, req protocol.Request) error {
	var info struct {
		Version string
		Time    time.Time
	}
	if err := json.Unmarshal(content, &info); err != nil {
		return badResponse("invalid response: %v", err)
	}
	if req.Operation == protocol.Info && info.Version != req.Version {
		return badResponse("invalid response: info for version %q instead of %s", info.Version, req.Version)
	}
	if !semver.IsValid(info.Version) {
		return badResponse("invalid response: version %q", info.Version)
	}
	return nil
}

// refresh asks for a list, latest or query and keeps the answer as it is, Origin
// included.
func (p *Proxy) refresh(ctx context.Context, req protocol.Request) error {
	var content []byte
	err := p.chain.Do(ctx, chain.Request{File: req.File()}, func(a *chain.Answer) error {
		var err error
		if content, err = readAnswer(a); err != nil || req.Operation == protocol.List {
			return err
		}
		return checkInfo(content, req)
	})
	if err != nil {
		return err
	}
	if err := p.cache.Write(req.File(), content); err != nil || p.listTTL <= 0 {
		return err
	}
	return p.cache.Confirm(req.File())
}

func readAnswer(a *chain.Answer) ([]byte, error) {
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(a.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = badResponse("the answer is larger than %d bytes", maxAnswer)
	}
	return b.Bytes(), err
}
