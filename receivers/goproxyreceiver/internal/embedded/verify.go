// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/sumdb/note"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/modcache"
)

// gosumdb is GOSUMDB, parsed. The zero value is "off".
type gosumdb struct {
	key, name string
	url       *url.URL
	only      bool // The URL stands in GOSUMDB: no proxy is asked.
}

// knownKeys are those of knownGOSUMDB in cmd/go/internal/modfetch.
var knownKeys = map[string]string{
	"sum.golang.org": "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
}

// parseGOSUMDB reads GOSUMDB as dbDial in cmd/go/internal/modfetch does. Empty is
// go's default, as where there is no go command to fill it in.
func parseGOSUMDB(text string) (gosumdb, error) {
	switch text {
	case "":
		text = "sum.golang.org"
	case "off":
		return gosumdb{}, nil
	case "sum.golang.google.cn":
		text = "sum.golang.org https://sum.golang.google.cn"
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > 2 {
		return gosumdb{}, fmt.Errorf("GOSUMDB %q: wants a name or key, and perhaps a URL", text)
	}
	if key := knownKeys[fields[0]]; key != "" {
		fields[0] = key
	}
	v, err := note.NewVerifier(fields[0])
	if err != nil {
		return gosumdb{}, fmt.Errorf("GOSUMDB: %w", err)
	}
	db := gosumdb{key: fields[0], name: v.Name()}
	db.url, err = url.Parse("https://" + db.name)
	if err != nil || strings.HasSuffix(db.name, "/") || db.url.Host == "" || db.url.RawPath != "" ||
		*db.url != (url.URL{Scheme: "https", Host: db.url.Host, Path: db.url.Path}) {
		return gosumdb{}, fmt.Errorf("GOSUMDB: invalid name %q; must be host[/path]", db.name)
	}
	if len(fields) == 2 {
		if db.url, err = url.Parse(fields[1]); err != nil || db.url.Host == "" {
			return gosumdb{}, errors.New("GOSUMDB: its URL is none")
		}
		db.only = true
	}
	return db, nil
}

// verifier compares what was fetched with the checksum database.
type verifier struct {
	db      gosumdb
	noSumDB string // GONOSUMDB
	chain   *chain.Client
	store   *modcache.Cache // What the database's client has verified.

	mu sync.Mutex // Guards the stored tree head.
}

// verify returns nil if d, a .mod or .zip of m, is what the database knows, or if
// GOSUMDB or GONOSUMDB say not to ask.
func (v *verifier) verify(ctx context.Context, d *modcache.Draft, m module.Version) error {
	if v.db.key == "" || module.MatchPrefixPatterns(v.noSumDB, m.Path) {
		return nil
	}
	hash, version, err := hashOf(d, m.Version)
	if err != nil {
		return badResponse("bad response for %s: %v", d.Name(), err)
	}
	// A client of its own for each fetch ties its requests to this one's context.
	ops := &sumdbOps{ctx: ctx, verifier: v}
	lines, err := sumdb.NewClient(ops).Lookup(m.Path, version)
	if err != nil {
		return ops.failure(m, err)
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
	return &rejection{status: http.StatusBadGateway, word: "checksum_mismatch", text: fmt.Sprintf(format, args...)}
}

// hashOf returns the hash of a draft and the version under which it is looked up.
func hashOf(d *modcache.Draft, version string) (hash, key string, err error) {
	if path.Ext(d.Name()) == ".zip" {
		hash, err = dirhash.HashZip(d.Path(), dirhash.DefaultHash)
		return hash, version, err
	}
	content, err := readDraft(d)
	if err != nil {
		return "", "", err
	}
	hash, err = dirhash.DefaultHash([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	return hash, version + "/go.mod", err
}

// sumdbOps lets a client of the checksum database work for one fetch: through the
// same chain, in the same context.
type sumdbOps struct {
	ctx      context.Context
	verifier *verifier

	mu       sync.Mutex
	remote   error  // The first failure to read; the client keeps only its text.
	security string // What the database was caught in.
}

var _ sumdb.ClientOps = (*sumdbOps)(nil)

// failure is a lookup's error for the client of the proxy. That the database
// doesn't know a module doesn't mean that there is no module: never a 404.
func (o *sumdbOps) failure(m module.Version, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.security != "" {
		return mismatch("checksum mismatch: %s@%s: %s", m.Path, m.Version, strings.TrimSpace(o.security))
	}
	r := &rejection{status: http.StatusBadGateway, word: "checksum_unavailable", text: fmt.Sprintf("verifying %v", err)}
	if e, ok := errors.AsType[*chain.Error](o.remote); ok {
		r.text = fmt.Sprintf("verifying %s@%s: %v", m.Path, m.Version, e)
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
	var content []byte
	err := o.verifier.chain.SumDB(o.ctx, o.verifier.db.name, strings.TrimPrefix(path, "/"), func(a *chain.Answer) error {
		var err error
		content, err = readAnswer(a)
		return err
	})
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.remote == nil {
			o.remote = err
		}
	}
	return content, err
}

// ReadConfig implements [sumdb.ClientOps].
func (o *sumdbOps) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(o.verifier.db.key), nil
	}
	content, err := o.verifier.store.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte{}, nil // The empty tree.
	}
	return content, err
}

// WriteConfig implements [sumdb.ClientOps].
func (o *sumdbOps) WriteConfig(file string, old, latest []byte) error {
	o.verifier.mu.Lock()
	defer o.verifier.mu.Unlock()
	now, err := o.verifier.store.Read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(now) > 0 && !bytes.Equal(now, old) {
		return sumdb.ErrWriteConflict
	}
	return o.verifier.store.Write(file, latest)
}

// ReadCache implements [sumdb.ClientOps].
func (o *sumdbOps) ReadCache(file string) ([]byte, error) { return o.verifier.store.Read(file) }

// WriteCache implements [sumdb.ClientOps].
func (o *sumdbOps) WriteCache(file string, data []byte) {
	_ = o.verifier.store.Write(file, data) // It is asked for again then.
}

// Log implements [sumdb.ClientOps].
func (*sumdbOps) Log(string) {}

// SecurityError implements [sumdb.ClientOps].
func (o *sumdbOps) SecurityError(msg string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.security = msg
}
