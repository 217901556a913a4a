// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/stack"
)

// embeddedConfig is that of the second Modtap: small bounds, short waits, so that a minute shows what a day does.
const embeddedConfig = `
receivers:
  goproxy:
    settle: 500ms
    leak_patterns: "*.corp.example"
    trusted_proxies: [127.0.0.1/32]
    client_identity: full
    cache: {max_size: 3300000, list_ttl: 2s}
    sessions: {idle_gap: 2s}
    chain:
      response_header_timeout: 1s
      retry: {max_retries: 0}
      circuit_breaker: {consecutive_failures: 5, open_duration: 2s}
`

// embedded is the second Modtap: an embedded proxy, over TLS, beside the stack's Modtap in front of Athens.
type embedded struct {
	*backends.Server
	client                *client
	ingress, page, health string // addresses
	cert                  string // file
	data                  string // directory, with the log
}

// startEmbedded starts it on these addresses: ingress, page, health.
func startEmbedded(t *testing.T, s *stack.Stack, o *origin, ingress, page, health string) *embedded {
	t.Helper()
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(embeddedConfig), 0o600))
	args := []string{"run"}
	for _, uri := range []string{"modtap:base", "modtap:tls", "modtap:jsonlines", "modtap:jaeger", "modtap:elasticsearch", config} {
		args = append(args, "--config", uri)
	}
	data := filepath.Join(dir, "data")
	env := []string{
		"MODTAP_DATA=" + data, "MODTAP_LISTEN=" + ingress, "MODTAP_METRICS_LISTEN=" + page, "MODTAP_HEALTH_LISTEN=" + health,
		"MODTAP_TLS_CERT=" + cert, "MODTAP_TLS_KEY=" + key, // and no MODTAP_ENVIRONMENT, as by default
		"MODTAP_JAEGER=" + s.Services["jaeger"].URL(4318), "MODTAP_ELASTICSEARCH=" + s.Services["elasticsearch"].URL(9200),
		"MODTAP_EGRESS_UPSTREAM=" + o.url + "," + public,
		"HTTP_PROXY=" + o.url, "NO_PROXY=localhost,127.0.0.1", // the name public.example means the origin, too
		"GOSUMDB=" + o.gosumdb, "GONOSUMDB=none", "GONOPROXY=none", "GOPRIVATE=",
	}
	server := backends.Launch(t, "embedded proxy", backends.Program{Path: s.Binary}, args, env, func(ctx context.Context) error {
		return backends.Answers("http://" + health + "/ready")(ctx)
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	return &embedded{
		Server: server, ingress: ingress, page: page, health: health, cert: cert, data: data,
		client: &client{t: t, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}, url: "https://" + ingress},
	}
}

// certificate writes a certificate for loopback that is good for a quarter of a year.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "modtap"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	require.NoError(t, os.WriteFile(cert, text, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(text))
	return cert, key, pool
}

// build runs the real go command on a module that requires others, with an empty cache of its own. It may fail: its probes do.
func build(t *testing.T, proxy string, env []string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	const file = "module example.com/build\n\ngo 1.26\n\nrequire (\n\texample.com/lib0 v1.0.0\n\texample.com/lib1 v1.0.0\n\texample.com/lib2 v1.0.0\n)\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(file), 0o600))
	out, err := goCommand(t, dir, append([]string{"GOPROXY=" + proxy}, env...), args...)
	if err != nil {
		out += err.Error()
	}
	return strings.TrimSpace(out)
}
