// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modtap/modtap/internal/child"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/phase"
)

// Direct fetches modules from version control.
type Direct interface {
	// Fetch returns file, a path of the protocol, and whatever other files of the
	// same version came with it, by their paths. The caller closes them all. An
	// error that is fs.ErrNotExist says that version control was reached and has no
	// such thing.
	Fetch(ctx context.Context, file string) (map[string]io.ReadSeekCloser, error)
}

type noDirect struct{}

func (noDirect) Fetch(context.Context, string) (map[string]io.ReadSeekCloser, error) {
	return nil, errNotFound("fetching from version control is off")
}

// maxDirect bounds the go commands that run at once.
const maxDirect = 8

// DefaultDirectTimeout is [DirectSettings.Timeout] where none is set.
const DefaultDirectTimeout = 15 * time.Minute

// DirectSettings are what a [GoDirect] is made from.
type DirectSettings struct {
	// Patterns are the module path prefixes that may be fetched, in the syntax of
	// GOPRIVATE; "*" is all. Empty: none.
	Patterns string
	// Private is GONOPROXY. A host that it or Patterns names without a wildcard in
	// the name may have an address that isn't public: the operator meant that host.
	Private string
	// ModCache is the GOMODCACHE of the go commands. It must not be the user's
	// own, whose locks the client holds while it waits for us.
	ModCache string
	// TempDir is where go commands run; empty: [os.TempDir].
	TempDir string
	// Timeout bounds one fetch: nothing else bounds a host that falls silent. Zero:
	// [DefaultDirectTimeout].
	Timeout time.Duration
}

// GoDirect is a [Direct] that runs the go command, as the client itself would
// with GOPROXY=direct. Without go on the machine all is not found, as where direct is off;
// without the version control that a module needs that module is a failure.
//
// The host to fetch from is named by the request, so it is bounded: a module must
// match Patterns, and a host that resolves to an address that isn't public is
// refused. The child processes resolve the name again and follow what the host
// says, so this keeps honest names from leading inside; it is no firewall.
type GoDirect struct {
	settings DirectSettings
	running  chan struct{}
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

var _ Direct = (*GoDirect)(nil)

// NewGoDirect returns a GoDirect. It looks for the go command only when it is
// asked to fetch.
func NewGoDirect(s DirectSettings) *GoDirect {
	return &GoDirect{
		settings: s,
		running:  make(chan struct{}, maxDirect),
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
	if _, err := child.LookPath("go"); err != nil {
		return nil, errNotFound("fetching from version control: there is no go command where Modtap runs")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, orDefault(d.settings.Timeout, DefaultDirectTimeout), errDirectTimeout)
	defer cancel()
	if err := d.slot(ctx); err != nil {
		return nil, err
	}
	defer func() { <-d.running }()
	return d.fetch(ctx, r, file)
}

// slot waits until another go command may run; the caller gives it back.
func (d *GoDirect) slot(ctx context.Context) error {
	defer phase.FromContext(ctx).Enter(exchange.PhaseQueue).Leave()
	select {
	case d.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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
		if a.IsLinkLocalUnicast() || a.IsMulticast() || !netaddr.Public(a) && !named {
			return errNotFound(fmt.Sprintf("fetching %s from version control: %s has an address that isn't public; name it in direct_patterns to allow a private one, link-local ones never are", path, host))
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
