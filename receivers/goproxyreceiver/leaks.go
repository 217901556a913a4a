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
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/leak"
)

// LeakAction says what is done with a request that tells the public of a private
// module.
type LeakAction string

// The values of LeakAction.
const (
	LeakReport LeakAction = "report" // it is sent, and told
	LeakBlock  LeakAction = "block"  // it isn't sent, nor what isn't the protocol; the answer is 404, and it is told
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

// guard judges what is sent to upstreams.
func (r *goproxyReceiver) guard() leak.Guard {
	return leak.Guard{Detector: r.leaks, Block: r.cfg.LeakAction == LeakBlock}
}

// guardChain judges what is sent to the elements of a list, and where they redirect.
func guardChain(g leak.Guard) chain.Guard {
	return func(u *url.URL, req goproxy.Request) (string, error) {
		s := leak.Sent{Host: u.Hostname(), Request: req}
		if req.Operation == goproxy.Other {
			s.Redirect, s.Target = true, u.RequestURI()
		}
		return g.Judge(s)
	}
}

// judge judges a request that is passed on as it was written.
func (f *forwarder) judge(r *http.Request, req goproxy.Request) (pattern string, err error) {
	s := leak.Sent{Host: f.address, Target: r.RequestURI}
	if req.Plain(r.RequestURI, r.URL.Path) {
		s.Request = req
	}
	return f.guard.Judge(s)
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
