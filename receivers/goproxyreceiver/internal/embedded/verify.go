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
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/phase"
)

// verifier compares what was fetched with the checksum database.
type verifier struct {
	db      gosumdb
	noSumDB string // GONOSUMDB
	chain   *chain.Client
	cache   *modcache.Cache // Keeps what the database's client has verified.
	heads   *modcache.Cache // Keeps the tree head, which must not be evicted.

	mu sync.Mutex // Guards the tree head.
}

// verify returns nil if hash, that of the .mod or .zip name of m, is what the
// database knows, or if GOSUMDB or GONOSUMDB say not to ask.
func (v *verifier) verify(ctx context.Context, l *chain.Ledger, name string, m module.Version, hash string) error {
	if v.db.key == "" || module.MatchPrefixPatterns(v.noSumDB, m.Path) {
		return nil
	}
	version := m.Version
	if path.Ext(name) == ".mod" {
		version += "/go.mod"
	}
	lines, err := v.lookup(ctx, l, m.Path, version)
	if err != nil {
		return err
	}
	prefix := m.Path + " " + version + " "
	if slices.Contains(lines, prefix+hash) {
		return nil
	}
	want := "nothing"
	if len(lines) > 0 {
		want = strings.TrimPrefix(lines[0], prefix)
	}
	return mismatch("checksum mismatch: %s@%s: downloaded %s, %s has %s", m.Path, version, hash, v.db.name, want)
}

func mismatch(format string, args ...any) *rejection {
	return &rejection{status: http.StatusBadGateway, word: exchange.ErrorChecksumMismatch, text: fmt.Sprintf(format, args...)}
}

// hashMod is the hash by which go.sum knows a .mod.
func hashMod(content []byte) (string, error) {
	return dirhash.DefaultHash([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
}

// lookup returns the lines of go.sum for path at version, which may end in
// /go.mod. The record is kept then.
func (v *verifier) lookup(ctx context.Context, l *chain.Ledger, path, version string) (lines []string, err error) {
	err = v.ask(ctx, l, path+"@"+strings.TrimSuffix(version, "/go.mod"), func(ops *sumdbOps) error {
		// A client of its own for each fetch ties its requests to this one's context.
		lines, err = sumdb.NewClient(ops).Lookup(path, version)
		return err
	})
	return lines, err
}

// ask lets f ask the database about what. Where it fails although all of it could
// be read, what is kept may have rotted: it is asked for anew, once.
func (v *verifier) ask(ctx context.Context, l *chain.Ledger, what string, f func(*sumdbOps) error) error {
	defer phase.FromContext(ctx).Enter(exchange.PhaseVerify).Leave()
	ops := &sumdbOps{ctx: ctx, ledger: l, verifier: v}
	err := f(ops)
	if err != nil && ops.stale() {
		ops = &sumdbOps{ctx: ctx, ledger: l, verifier: v, anew: true}
		err = f(ops)
	}
	if err != nil {
		return ops.failure(what, err)
	}
	return nil
}
