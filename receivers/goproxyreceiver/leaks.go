// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/leak"
)

// LeakAction says what is done with a request that tells the public of a private
// module.
type LeakAction string

// The values of LeakAction.
const (
	LeakReport LeakAction = "report" // it is sent, and told
	LeakBlock  LeakAction = "block"  // it isn't sent, the answer is 404, and it is told
)

// UnmarshalText implements [encoding.TextUnmarshaler]. It returns an error that
// lists the values there are.
func (a *LeakAction) UnmarshalText(text []byte) error {
	switch v := LeakAction(text); v {
	case LeakReport, LeakBlock:
		*a = v
		return nil
	}
	return fmt.Errorf("unknown value %q: write report or block", text)
}

// openLeaks returns the detector of leak_patterns; nil: there are none.
func (c *Config) openLeaks(ctx context.Context) (*leak.Detector, error) {
	if c.LeakPatterns != nil {
		return leak.New(*c.LeakPatterns)
	}
	env, err := chain.GoEnv(ctx, "GOPRIVATE")
	if err != nil {
		return nil, fmt.Errorf(`leak_patterns, from GOPRIVATE: %w; write the patterns, or "" for none`, err)
	}
	d, err := leak.New(env["GOPRIVATE"])
	if err != nil {
		return nil, fmt.Errorf("leak_patterns, from GOPRIVATE: %w", err)
	}
	return d, nil
}

// guard keeps requests back if leak_action says so.
func (r *goproxyReceiver) guard() func(*url.URL) error {
	if r.cfg.LeakAction != LeakBlock {
		return func(*url.URL) error { return nil }
	}
	return r.leaks.Guard
}

// blocked answers for a request that the guard kept back.
func (f *forwarder) blocked(w http.ResponseWriter, x *transfer, err error) {
	x.end.Attempts[0].Error = exchange.LeakBlocked
	refuse(w, http.StatusNotFound, "not found: "+err.Error())
}

// noteLeak notes whether the attempts of x told the public of a private module. Where
// the answer is that nothing was sent, Modtap itself declined.
func (in *handler) noteLeak(x *transfer) {
	e := &x.end
	if e.Leak = in.leaks.Find(e.Attempts); e.Leak == "" {
		return
	}
	last := e.Attempts[len(e.Attempts)-1]
	if last.Error == exchange.LeakBlocked && e.Status == http.StatusNotFound && e.Disposition == exchange.Complete {
		e.Disposition = exchange.Refused
	}
}

func (c *Config) validateLeaks() error {
	if c.LeakPatterns == nil {
		return nil
	}
	if _, err := leak.New(*c.LeakPatterns); err != nil {
		return fmt.Errorf("leak_patterns: %w", err)
	}
	if c.LeakAction == LeakBlock && *c.LeakPatterns == "" {
		return errors.New("leak_action: nothing can be blocked with empty leak_patterns; leave one of them out")
	}
	return nil
}
