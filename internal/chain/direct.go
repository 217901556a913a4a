// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/goproxy/goproxy"
	"golang.org/x/mod/module"

	protocol "github.com/modtap/modtap/internal/goproxy"
)

// Direct fetches modules from version control.
type Direct interface {
	// Fetch returns file, a path of the protocol, and whatever other files of the
	// same version came with it, by their paths. The caller closes them all. An
	// error that is fs.ErrNotExist is version control's "not found".
	Fetch(ctx context.Context, file string) (map[string]io.ReadSeekCloser, error)
}

type noDirect struct{}

func (noDirect) Fetch(context.Context, string) (map[string]io.ReadSeekCloser, error) {
	return nil, errNotFound("fetching from version control is off")
}

// maxDirect bounds the go commands that run at once.
const maxDirect = 8

// DirectSettings are what a [GoDirect] is made from.
type DirectSettings struct {
	// Patterns are the module path prefixes that may be fetched, in the syntax of
	// GOPRIVATE; "*" is all. Empty: none.
	Patterns string
	// Private is GONOPROXY. A host that it or Patterns names without a wildcard in
	// the name may have a private address: the operator meant that host.
	Private string
	// ModCache is the GOMODCACHE of the go commands. It must not be the user's
	// own, whose locks the client holds while it waits for us.
	ModCache string
	// TempDir is where go commands run; empty: [os.TempDir].
	TempDir string
}

// GoDirect is a [Direct] that runs the go command, as the client itself would
// with GOPROXY=direct. Without go or git on the machine all is not found.
//
// The host to fetch from is named by the request, so it is bounded: a module must
// match Patterns, and a host that resolves to this machine, a private or a
// link-local address is refused. The child processes resolve the name again and
// follow what the host says, so this keeps honest names from leading inside; it
// is no firewall.
type GoDirect struct {
	settings DirectSettings
	fetcher  *goproxy.GoFetcher
	running  chan struct{}
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

var _ Direct = (*GoDirect)(nil)

// NewGoDirect returns a GoDirect. It looks for the go command only when it is
// asked to fetch.
func NewGoDirect(s DirectSettings) *GoDirect {
	return &GoDirect{
		settings: s,
		fetcher: &goproxy.GoFetcher{
			Env: append(os.Environ(),
				"GOPROXY=direct", "GOSUMDB=off", "GOMODCACHE="+s.ModCache,
				"GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off"),
			TempDir: s.TempDir,
		},
		running: make(chan struct{}, maxDirect),
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}
}

// Fetch implements [Direct].
func (d *GoDirect) Fetch(ctx context.Context, file string) (map[string]io.ReadSeekCloser, error) {
	r := protocol.Parse("/" + file)
	if r.Operation == protocol.Other || r.Operation == protocol.SumDB {
		return nil, errNotFound("version control has no " + file)
	}
	if err := d.allowed(ctx, r.Module); err != nil {
		return nil, err
	}
	for _, tool := range []string{"go", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, errNotFound("fetching from version control: there is no " + tool + " command where Modtap runs")
		}
	}
	select {
	case d.running <- struct{}{}:
		defer func() { <-d.running }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	files, err := d.fetch(ctx, r, file)
	return files, outage(err)
}

// outages are what git and the go command say when a host can't be reached: not
// that there is nothing there.
var outages = []string{
	"could not resolve host", "no such host", "connection refused", "connection timed out", "connection reset",
	"network is unreachable", "no route to host", "i/o timeout", "tls handshake", "could not connect",
}

// outage turns a not-found whose text tells of an outage into an error that isn't
// one: else the go command would be told that the module doesn't exist.
func outage(err error) error {
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := strings.ToLower(err.Error())
	for _, o := range outages {
		if strings.Contains(text, o) {
			return errors.New(err.Error())
		}
	}
	return err
}

func (d *GoDirect) fetch(ctx context.Context, r protocol.Request, file string) (map[string]io.ReadSeekCloser, error) {
	switch r.Operation {
	case protocol.List:
		versions, err := d.fetcher.List(ctx, r.Module)
		if err != nil {
			return nil, err
		}
		list := strings.Join(versions, "\n")
		if list != "" {
			list += "\n"
		}
		return map[string]io.ReadSeekCloser{file: inMemory([]byte(list))}, nil
	case protocol.Latest, protocol.Query:
		query := r.Version
		if r.Operation == protocol.Latest {
			query = "latest"
		}
		version, at, err := d.fetcher.Query(ctx, r.Module, query)
		if err != nil {
			return nil, err
		}
		info, err := json.Marshal(struct {
			Version string
			Time    time.Time
		}{version, at.UTC()})
		return map[string]io.ReadSeekCloser{file: inMemory(info)}, err
	default:
		info, mod, zip, err := d.fetcher.Download(ctx, r.Module, r.Version)
		if err != nil {
			return nil, err
		}
		stem := file[:strings.LastIndexByte(file, '.')]
		return map[string]io.ReadSeekCloser{stem + ".info": info, stem + ".mod": mod, stem + ".zip": zip}, nil
	}
}

// memory is a file that is held in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(b []byte) io.ReadSeekCloser { return memory{bytes.NewReader(b)} }

// allowed tells why path must not be fetched.
func (d *GoDirect) allowed(ctx context.Context, path string) error {
	if !module.MatchPrefixPatterns(d.settings.Patterns, path) {
		return errNotFound(fmt.Sprintf("fetching %s from version control is not allowed; direct_patterns names what is", path))
	}
	host, _, _ := strings.Cut(path, "/")
	named := names(d.settings.Patterns, host) || names(d.settings.Private, host)
	addrs, err := d.addresses(ctx, host)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		a = a.Unmap()
		inside := a.IsPrivate() || a.IsLoopback() || a.IsUnspecified()
		if a.IsLinkLocalUnicast() || a.IsMulticast() || inside && !named {
			return errNotFound(fmt.Sprintf("fetching %s from version control: %s has a private or link-local address; name it in direct_patterns to allow a private one", path, host))
		}
	}
	return nil
}

// addresses returns where host leads. A name that can't be resolved here leads
// nowhere, or an HTTP proxy knows it; both is for the go command to find out.
func (d *GoDirect) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := d.lookup(ctx, host)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, nil
	}
	return addrs, nil
}

// names tells whether one of the patterns begins with just this host.
func names(patterns, host string) bool {
	for p := range strings.SplitSeq(patterns, ",") {
		first, _, _ := strings.Cut(strings.TrimSpace(p), "/")
		if first == host {
			return true
		}
	}
	return false
}
