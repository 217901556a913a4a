// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certify makes a certificate for this machine that signs itself.
func certify(t *testing.T, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// startTLS starts an upstream with a certificate that wants one of its clients
// too, if clients is not nil.
func startTLS(t *testing.T, certificate tls.Certificate, clients *x509.CertPool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(serveModule))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	if clients != nil {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func askMod(t *testing.T, c *Client) error {
	t.Helper()
	return c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string)))
}

func TestTLS(t *testing.T) {
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	certificate, authorities := certify(t, until)
	mine, mineAuthorities := certify(t, until)
	a := startTLS(t, certificate, mineAuthorities)
	load := func(c *tls.Config) func(*Settings) {
		return func(s *Settings) { s.TLS.Load = func(context.Context) (*tls.Config, error) { return c, nil } }
	}

	c := client(t, a.URL, load(&tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{mine}}))
	require.NoError(t, askMod(t, c), "own authority, client certificate")
	require.Len(t, c.Hosts(), 1)
	assert.True(t, until.Equal(c.Hosts()[0].Expiry))

	e := requireError(t, askMod(t, client(t, a.URL)))
	assert.Equal(t, "tls", e.Word, "verification is on")
	e = requireError(t, askMod(t, client(t, a.URL, load(&tls.Config{RootCAs: authorities}))))
	assert.Equal(t, 502, e.Status(), "without a client certificate")
}

func TestExpiredCertificate(t *testing.T) {
	until := time.Now().Add(-time.Hour).Truncate(time.Second)
	certificate, authorities := certify(t, until)
	a := startTLS(t, certificate, nil)
	c := client(t, a.URL, func(s *Settings) {
		s.TLS.Load = func(context.Context) (*tls.Config, error) { return &tls.Config{RootCAs: authorities}, nil }
	})
	assert.Equal(t, "tls", requireError(t, askMod(t, c)).Word)
	assert.True(t, until.Equal(c.Hosts()[0].Expiry), "an expired one is seen too")
}

func TestTLSReload(t *testing.T) {
	certificate, authorities := certify(t, time.Now().Add(time.Hour))
	_, others := certify(t, time.Now().Add(time.Hour))
	a := startTLS(t, certificate, nil)
	pool, loadErr := others, error(nil)
	var warned []error
	c := client(t, a.URL, func(s *Settings) {
		s.TLS = TLS{Reload: time.Nanosecond, Load: func(context.Context) (*tls.Config, error) { return &tls.Config{RootCAs: pool}, loadErr }}
		s.Warn = func(_ string, err error) { warned = append(warned, err) }
	})
	assert.Equal(t, "tls", requireError(t, askMod(t, c)).Word)
	pool = authorities
	require.NoError(t, askMod(t, c), "the new authorities are read")
	pool, loadErr = nil, errors.New("no such file")
	require.NoError(t, askMod(t, c), "the old ones stay in use")
	assert.Equal(t, []error{loadErr}, warned)

	_, err := New(Settings{List: List{{Kind: Off}}, TLS: TLS{Load: func(context.Context) (*tls.Config, error) { return nil, loadErr }}})
	require.ErrorIs(t, err, loadErr, "at the start it is an error")
}
