// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/signal"
)

func TestReadUpstreams(t *testing.T) {
	soon, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	r := new(goproxyReceiver)
	r.upstreams.chains = []func() []chain.Host{
		func() []chain.Host {
			return []chain.Host{
				{Address: "a.test", Port: 443, Circuit: chain.Open, Expiry: later},
				{Address: "a.test", Port: 8443, Expiry: soon},
				{Address: "b.test", Port: 80},
			}
		},
		func() []chain.Host { return []chain.Host{{Address: "b.test", Port: 80, Circuit: chain.HalfOpen}} },
	}
	shown := &tls.Certificate{Leaf: &x509.Certificate{NotAfter: soon}}
	r.listeners = []*listener{
		{side: exchange.Ingress, tls: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown, nil }}},
		{side: exchange.Egress},
	}
	readings, got := 0, map[string]int64{} // those that aren't 0
	for _, reading := range r.readUpstreams() {
		require.Len(t, reading.Values, len(reading.Metric.Attributes))
		if readings++; reading.Value != 0 {
			got[reading.Metric.Name+" "+strings.Join(reading.Values, " ")] = reading.Value
		}
	}
	assert.Equal(t, map[string]int64{
		"goproxy.tls.certificate.not_after.timestamp a.test ":  soon.Unix(), // The earliest.
		"goproxy.tls.certificate.not_after.timestamp  ingress": soon.Unix(),
		"goproxy.upstream.circuit.state a.test open":           1, // The worst.
		"goproxy.upstream.circuit.state b.test half_open":      1,
	}, got)
	assert.Equal(t, 2*3+2, readings, "a series a state")

	// The certificate is read live: after a reload the new one counts.
	shown = &tls.Certificate{Leaf: &x509.Certificate{NotAfter: later}}
	at, ok := r.listeners[0].expiry()
	assert.True(t, ok)
	assert.Equal(t, later, at)
}

func TestTheProxyBesideUsShowsItsCertificate(t *testing.T) {
	until := time.Now().Add(-time.Hour)
	r, config := new(goproxyReceiver), new(tls.Config)
	r.upstreams.watch("athens.test", config)
	assert.Empty(t, r.readUpstreams())
	require.NoError(t, config.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: until}}}))
	got := r.readUpstreams()
	require.Len(t, got, 1, "there is no circuit breaker for it")
	assert.Equal(t, &signal.CertificateNotAfter, got[0].Metric)
	assert.Equal(t, []string{"athens.test", ""}, got[0].Values)
	assert.Equal(t, until.Unix(), got[0].Value)
}

// A certificate that was renewed while nobody connected isn't told as expiring.
func TestWhatWasShownLongAgoIsntTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, config := new(goproxyReceiver), new(tls.Config)
		r.upstreams.watch("athens.test", config)
		shows := func() {
			c := &x509.Certificate{NotAfter: time.Now().Add(30 * 24 * time.Hour)}
			require.NoError(t, config.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}))
		}
		shows()
		time.Sleep(23 * time.Hour)
		assert.Len(t, r.readUpstreams(), 1)
		time.Sleep(time.Hour)
		assert.Empty(t, r.readUpstreams())
		shows()
		assert.Len(t, r.readUpstreams(), 1)
	})
}
