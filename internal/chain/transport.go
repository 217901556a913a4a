// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/outbound"
)

// TLS is how connections to upstreams are secured. The zero value: as
// [crypto/tls] does by default, verified with the system's authorities.
type TLS struct {
	// Load returns the configuration. It is called at once and again when Reload
	// has passed: certificates and authorities may have changed.
	Load func(context.Context) (*tls.Config, error)
	// Reload is the time between two calls of Load. Zero: it is called once.
	Reload time.Duration
}

// transport is an [outbound.Transport] that is made anew when its certificates are
// to be read again.
type transport struct {
	timeouts Timeouts
	tls      TLS
	warn     func(string, error)

	mu      sync.Mutex
	current *outbound.Transport
	made    time.Time
}

func openTransport(s Settings) (*transport, error) {
	t := &transport{timeouts: s.Timeouts, tls: s.TLS, warn: s.Warn, made: time.Now()}
	var err error
	t.current, err = t.make(context.Background())
	return t, err
}

// RoundTrip implements [http.RoundTripper]. It sends a request once: whoever sends it again records an attempt.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.fresh(req.Context()).Send(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
}

func (t *transport) fresh(ctx context.Context) *outbound.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tls.Reload <= 0 || time.Since(t.made) < t.tls.Reload {
		return t.current
	}
	t.made = time.Now()
	next, err := t.make(context.WithoutCancel(ctx))
	if err != nil {
		t.warn("certificates for upstreams could not be read again; those read before stay in use", err)
		return t.current
	}
	t.current.CloseIdleConnections() // Those in use close at their requests' end.
	t.current = next
	return next
}

func (t *transport) make(ctx context.Context) (*outbound.Transport, error) {
	bounds := outbound.Settings{
		Dial:   orDefault(t.timeouts.Dial, DefaultDialTimeout),
		Header: orDefault(t.timeouts.Header, DefaultHeaderTimeout),
	}
	if t.tls.Load != nil {
		var err error
		if bounds.TLS, err = t.tls.Load(ctx); err != nil {
			return nil, err
		}
	}
	tr := outbound.New(bounds)
	tr.MaxIdleConnsPerHost = 64
	tr.DisableCompression = true // Sizes, ETags and bytes stay the upstream's own.
	return tr, nil
}
