// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/config/configtls"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/duration"
	"github.com/modtap/modtap/internal/signal"
	"github.com/modtap/modtap/receivers/goproxyreceiver/internal/embedded"
)

// ChainConfig is how each element of the GOPROXY list is asked.
type ChainConfig struct {
	// DialTimeout bounds the time to connect, and once more the TLS handshake.
	// Default: 10s.
	DialTimeout time.Duration `mapstructure:"dial_timeout"`
	// ResponseHeaderTimeout bounds the time from the request to the answer's
	// header. Default: 60s.
	ResponseHeaderTimeout time.Duration `mapstructure:"response_header_timeout"`
	// IdleBodyTimeout bounds the time for the next bytes of a body. Default: 60s.
	IdleBodyTimeout time.Duration `mapstructure:"idle_body_timeout"`
	// Retry is how often an element is asked again before its failure counts.
	Retry RetryConfig `mapstructure:"retry"`
	// CircuitBreaker is when an upstream that fails is left alone.
	CircuitBreaker CircuitBreakerConfig `mapstructure:"circuit_breaker"`
	// TLS is for https elements; with reload_interval authorities and certificates
	// are read again. Default: verified by the system's authorities.
	TLS configtls.ClientConfig `mapstructure:"tls"`
}

// RetryConfig is how often a GET of which nothing was answered is sent again:
// after a connection that failed, after 502, 503, 504, and after 429 with
// Retry-After.
type RetryConfig struct {
	// MaxRetries is how many times. 0: never, but for one that was sent on a connection
	// which the upstream had kept and then closed. Default: 2.
	MaxRetries int `mapstructure:"max_retries"`
	// MaxElapsedTime bounds the time from the first sending to the last. Default: 5s.
	MaxElapsedTime time.Duration `mapstructure:"max_elapsed_time"`
}

// CircuitBreakerConfig is when an upstream host is left alone.
type CircuitBreakerConfig struct {
	// ConsecutiveFailures is how many failures in a row open it: for all, connections
	// that don't come about, and modules of which a request times out; for one module,
	// its requests that are answered 5xx, break off or time out. 0: the breaker never
	// opens. Default: 5.
	ConsecutiveFailures int `mapstructure:"consecutive_failures"`
	// OpenDuration is how long nothing is sent before one request probes.
	// Default: 10s.
	OpenDuration time.Duration `mapstructure:"open_duration"`
}

func defaultChain() ChainConfig {
	return ChainConfig{
		DialTimeout:           chain.DefaultDialTimeout,
		ResponseHeaderTimeout: chain.DefaultHeaderTimeout,
		IdleBodyTimeout:       chain.DefaultIdleTimeout,
		Retry:                 RetryConfig{MaxRetries: 2, MaxElapsedTime: chain.DefaultRetryTotal},
		CircuitBreaker:        CircuitBreakerConfig{ConsecutiveFailures: 5, OpenDuration: chain.DefaultOpen},
		TLS:                   configtls.NewDefaultClientConfig(),
	}
}

func (c *ChainConfig) validate() error {
	errs := []error{duration.RequireAll("10s",
		duration.Key{Name: "chain::dial_timeout", Value: c.DialTimeout},
		duration.Key{Name: "chain::response_header_timeout", Value: c.ResponseHeaderTimeout},
		duration.Key{Name: "chain::idle_body_timeout", Value: c.IdleBodyTimeout},
		duration.Key{Name: "chain::retry::max_elapsed_time", Value: c.Retry.MaxElapsedTime},
		duration.Key{Name: "chain::circuit_breaker::open_duration", Value: c.CircuitBreaker.OpenDuration},
	)}
	if c.Retry.MaxRetries < 0 {
		errs = append(errs, fmt.Errorf("chain::retry::max_retries: %d is negative; write 0 for none", c.Retry.MaxRetries))
	}
	if c.CircuitBreaker.ConsecutiveFailures < 0 {
		errs = append(errs, fmt.Errorf("chain::circuit_breaker::consecutive_failures: %d is negative; write 0 to turn it off", c.CircuitBreaker.ConsecutiveFailures))
	}
	if c.TLS.Insecure {
		errs = append(errs, errors.New("chain::tls::insecure: an element's scheme says whether TLS is used; leave it out"))
	}
	return errors.Join(errs...)
}

// put completes the settings of a walk of the list.
func (c *ChainConfig) put(s *embedded.Settings) {
	s.Timeouts = chain.Timeouts{Dial: c.DialTimeout, Header: c.ResponseHeaderTimeout, Idle: c.IdleBodyTimeout}
	s.Retry = chain.Retry{Max: c.Retry.MaxRetries, Total: c.Retry.MaxElapsedTime}
	s.Breaker = chain.Breaker{Failures: c.CircuitBreaker.ConsecutiveFailures, Open: c.CircuitBreaker.OpenDuration}
	s.TLS = chain.TLS{Reload: c.TLS.ReloadInterval, Load: func(ctx context.Context) (*tls.Config, error) {
		config, err := c.TLS.LoadTLSConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("chain::tls: %w", err)
		}
		return config, nil
	}}
}

// upstreams are what is known of the hosts that are asked.
type upstreams struct {
	chains  []func() []chain.Host
	forward string                // The host of the proxy beside us; empty: there is none.
	shown   atomic.Pointer[shown] // Its certificate; nil: it showed none.
}

// shown is when a certificate expires, and when it was seen.
type shown struct{ expiry, at time.Time }

// watch remembers the certificate that the proxy beside us shows.
func (u *upstreams) watch(host string, config *tls.Config) {
	u.forward = host
	if config == nil {
		return
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 {
			u.shown.Store(&shown{expiry: state.PeerCertificates[0].NotAfter, at: time.Now()})
		}
		return nil
	}
}

// hosts returns the known hosts, one of each address: the worst state and the
// earliest expiry of its ports.
func (u *upstreams) hosts() []chain.Host {
	var all []chain.Host
	for _, of := range u.chains {
		all = append(all, of()...)
	}
	if c := u.shown.Load(); c != nil && time.Since(c.at) < chain.ShownFor {
		all = append(all, chain.Host{Address: u.forward, Expiry: c.expiry})
	}
	var out []chain.Host
	for _, h := range all {
		i := slices.IndexFunc(out, func(o chain.Host) bool { return o.Address == h.Address })
		if i < 0 {
			out = append(out, h)
			continue
		}
		o := &out[i]
		o.Circuit = max(o.Circuit, h.Circuit)
		if o.Expiry.IsZero() || !h.Expiry.IsZero() && h.Expiry.Before(o.Expiry) {
			o.Expiry = h.Expiry
		}
	}
	return out
}

// readUpstreams is a [signal.Reader] of the upstreams' circuit breakers and of
// all certificates.
func (r *goproxyReceiver) readUpstreams() []signal.Reading {
	var out []signal.Reading
	for _, h := range r.upstreams.hosts() {
		if len(r.upstreams.chains) > 0 {
			out = append(out, circuit(&h)...)
		}
		if !h.Expiry.IsZero() {
			out = append(out, notAfter(h.Address, "", h.Expiry))
		}
	}
	for _, l := range r.listeners {
		if at, ok := l.expiry(); ok {
			out = append(out, notAfter("", l.side.String(), at))
		}
	}
	return out
}

// circuit returns a reading for each state that a circuit breaker can be in.
func circuit(h *chain.Host) []signal.Reading {
	var out []signal.Reading
	for _, state := range []chain.Circuit{chain.Closed, chain.HalfOpen, chain.Open} {
		r := signal.Reading{Metric: &signal.CircuitState, Values: []string{h.Address, state.String()}}
		if state == h.Circuit {
			r.Value = 1
		}
		out = append(out, r)
	}
	return out
}

func notAfter(address, listener string, at time.Time) signal.Reading {
	return signal.Reading{Metric: &signal.CertificateNotAfter, Values: []string{address, listener}, Value: at.Unix()}
}

// expiry is when the certificate that clients are shown now expires.
func (l *listener) expiry() (time.Time, bool) {
	if l.tls == nil || l.tls.GetCertificate == nil {
		return time.Time{}, false
	}
	c, err := l.tls.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || c.Leaf == nil {
		return time.Time{}, false
	}
	return c.Leaf.NotAfter, true
}
