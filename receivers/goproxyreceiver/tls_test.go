// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// writeCertificate writes a certificate that signs itself and its key to dir,
// replacing what is there.
func writeCertificate(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return cert, key
}

func handshake(t testing.TB, base string, config *tls.Config) tls.ConnectionState {
	t.Helper()
	d := tls.Dialer{Config: config}
	c, err := d.DialContext(t.Context(), "tcp", base[len("https://"):])
	require.NoError(t, err)
	defer c.Close()
	return c.(*tls.Conn).ConnectionState()
}

func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile = writeCertificate(t, dir, "first")
	server.ReloadInterval = 20 * time.Millisecond
	cfg := testConfig(t, rawOrigin(t, plain).url)
	cfg.Ingress.TLS = configoptional.Some(server)
	r := startReceiver(t, cfg)

	subject := func() string { return handshake(t, r.url, insecure()).PeerCertificates[0].Subject.CommonName }
	require.Equal(t, "first", subject())
	writeCertificate(t, dir, "second")
	assert.Eventually(t, func() bool { return subject() == "second" }, soon, 10*time.Millisecond)
	assert.Equal(t, 200, ask(t, r.url, get(zip)).code)
}

func TestClientCertificateIsAskedForWithHTTP2(t *testing.T) {
	dir := t.TempDir()
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile = writeCertificate(t, dir, "both")
	server.ClientCAFile, server.ReloadClientCAFile = server.CertFile, true
	cfg := testConfig(t, rawOrigin(t, plain).url)
	cfg.Ingress.TLS = configoptional.Some(server)
	r := startReceiver(t, cfg)

	own, err := tls.LoadX509KeyPair(server.CertFile, server.KeyFile)
	require.NoError(t, err)
	config := insecure()
	config.Certificates, config.NextProtos = []tls.Certificate{own}, []string{"h2", "http/1.1"}
	assert.Equal(t, "h2", handshake(t, r.url, config).NegotiatedProtocol)
}
