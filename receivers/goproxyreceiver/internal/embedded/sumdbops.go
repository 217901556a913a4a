// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

// sumdbOps lets a client of the checksum database work for one fetch: through the
// same chain, in the same context. What the client has verified is kept in the
// cache, and nothing else of a database is.
type sumdbOps struct {
	ctx      context.Context
	ledger   *chain.Ledger // of the fetch
	verifier *verifier
	anew     bool // Nothing that is kept is read.

	mu       sync.Mutex
	kept     bool   // Something that is kept was read.
	remote   error  // The first failure to read; the client keeps only its text.
	security string // What the database was caught in.
}

var _ sumdb.ClientOps = (*sumdbOps)(nil)

// stale tells whether a failure may be one of what is kept.
func (o *sumdbOps) stale() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept && o.remote == nil
}

// failure is an error for the client of the proxy. That the database doesn't know
// a module doesn't mean that there is no module: never a 404.
func (o *sumdbOps) failure(what string, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.security != "" {
		return mismatch("checksum mismatch: %s: %s", what, strings.TrimSpace(o.security))
	}
	r := &rejection{status: http.StatusBadGateway, word: exchange.ErrorChecksumUnavailable, text: fmt.Sprintf("verifying %s: %v", what, err)}
	if e, ok := errors.AsType[*chain.Error](o.remote); ok {
		r.text = fmt.Sprintf("verifying %s: %v", what, e)
		if e.Status() == http.StatusGatewayTimeout {
			r.status, r.word = http.StatusGatewayTimeout, e.Word
		}
	} else if o.remote != nil {
		return o.remote
	}
	return r
}

// ReadRemote implements [sumdb.ClientOps].
func (o *sumdbOps) ReadRemote(path string) ([]byte, error) {
	var got content
	r := chain.Request{Request: protocol.ParseSumDB(o.verifier.db.name, path), Ledger: o.ledger}
	err := o.verifier.chain.SumDB(o.ctx, r, func(a *chain.Answer) error {
		if err := got.read(o.ctx, a, protocol.SumDB); err != nil {
			return err
		}
		return checkSumDB(got.bytes, path)
	})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.remote == nil {
			o.remote = err
		}
	}
	return got.bytes, err
}

// ReadConfig implements [sumdb.ClientOps].
func (o *sumdbOps) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(o.verifier.db.key), nil
	}
	signed, _, err := o.verifier.head()
	return signed, err
}

// WriteConfig implements [sumdb.ClientOps].
func (o *sumdbOps) WriteConfig(_ string, old, latest []byte) error {
	v := o.verifier
	v.mu.Lock()
	defer v.mu.Unlock()
	now, _, err := v.head()
	if err != nil {
		return err
	}
	if len(now) > 0 && !bytes.Equal(now, old) {
		return sumdb.ErrWriteConflict
	}
	return v.heads.Write(o.ctx, v.headFile(), latest)
}

func (v *verifier) headFile() string { return url.QueryEscape(v.db.name) + "/latest" }

// head returns the largest tree that was seen and its signed head; empty: none
// was. One that another key signed, or that has rotted, is none.
func (v *verifier) head() (signed []byte, tree tlog.Tree, err error) {
	signed, err = v.heads.Read(v.headFile())
	if errors.Is(err, fs.ErrNotExist) {
		return []byte{}, tlog.Tree{}, nil
	}
	if err != nil {
		return nil, tlog.Tree{}, err
	}
	key, err := note.NewVerifier(v.db.key)
	if err != nil {
		return nil, tlog.Tree{}, err
	}
	if text, err := note.Open(signed, note.VerifierList(key)); err == nil {
		if tree, err = tlog.ParseTree([]byte(text.Text)); err == nil {
			return signed, tree, nil
		}
	}
	return []byte{}, tlog.Tree{}, nil
}

// ReadCache implements [sumdb.ClientOps].
func (o *sumdbOps) ReadCache(file string) ([]byte, error) {
	if o.anew {
		return nil, fs.ErrNotExist
	}
	content, err := o.verifier.cache.Read(o.verifier.db.file(file))
	if err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.kept = true
	}
	return content, err
}

// WriteCache implements [sumdb.ClientOps].
func (o *sumdbOps) WriteCache(file string, data []byte) {
	_ = o.verifier.cache.Write(o.ctx, o.verifier.db.file(file), data) // It is asked for again then.
}

// Log implements [sumdb.ClientOps].
func (*sumdbOps) Log(string) {}

// SecurityError implements [sumdb.ClientOps].
func (o *sumdbOps) SecurityError(msg string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.security = msg
}
