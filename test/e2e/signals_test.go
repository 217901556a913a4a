// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/signal"
)

// TestEveryMetricMoves: real traffic changes each metric that is declared.
func TestEveryMetricMoves(t *testing.T) {
	o := newOrigin(t)
	o.files["/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip"] = []byte("a toolchain")
	m := start(t, append(o.goproxy(), "MODTAP_UPSTREAM="+o.URL, "GOPRIVATE=private.example"))
	o.add(t, "example.com/m", 1000)
	o.headers = map[string]map[string]string{"/example.com/m/@v/v1.0.0.mod": {"X-Cache": "MISS", "X-Cache-Hits": "3"}}
	o.errors = map[string]string{"/example.com/tampered/@v/v1.0.0.mod": "not found: verifying module: checksum mismatch"}
	cached := start(t, append(o.goproxy(), "MODTAP_EGRESS_UPSTREAM="+refused(t)+"|"+o.URL))
	cert, key := selfSigned(t)
	secured := start(t, append(o.goproxy(), "MODTAP_TLS_CERT="+cert, "MODTAP_TLS_KEY="+key))
	getOK(t, cached.proxy+"/example.com/m/@v/v1.0.0.zip")
	_, before := get(t, "http://"+m.metrics+"/metrics")
	get(t, m.proxy+"/sumdb/sum.golang.org/lookup/private.example/m@v1.0.0") // not found, but asked for
	getOK(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")                        // its header contradicts itself
	get(t, m.proxy+"/example.com/tampered/@v/v1.0.0.mod")                   // a checksum failure, passed on as 404
	status, _ := get(t, m.proxy+"/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip")
	require.Equal(t, http.StatusOK, status)
	const toolchain = `goproxy_toolchain_requests_total{goproxy_toolchain_arch="amd64",goproxy_toolchain_os="linux",goproxy_toolchain_version="go1.26.8"`
	var after string
	require.Eventually(t, func() bool {
		_, page := get(t, "http://"+m.metrics+"/metrics")
		_, embedded := get(t, "http://"+cached.metrics+"/metrics")
		_, listener := get(t, "http://"+secured.metrics+"/metrics")
		after = string(page) + string(embedded) + string(listener)
		return strings.Contains(after, toolchain) && strings.Contains(after, "\ngoproxy_tls_certificate_not_after_timestamp_seconds{") && strings.Contains(after, "\ngoproxy_cache_misses_total{") &&
			strings.Contains(after, "\ngoproxy_session_requests_count{") // an idle gap later
	}, time.Minute, 100*time.Millisecond)
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	for _, d := range signal.Declared() {
		name := strings.ReplaceAll(d.Name, ".", "_")
		assert.Contains(t, string(readme), "`"+d.Name+"`", "the README names it")
		assert.Contains(t, string(readme), "`"+name, "the README names it")
		assert.Contains(t, after, "\n"+name, "%s", d.Name)
		if d.Kind != signal.UpDownCounter { // that one is shown as 0 from the start
			assert.NotContains(t, string(before), "\n"+name, "%s", d.Name)
		}
	}

	// Requests in flight are counted while they are.
	o.add(t, "example.com/slow", 1<<20)
	o.mu.Lock()
	o.delay = 4 * time.Second
	o.mu.Unlock()
	done := getting(m.proxy + "/example.com/slow/@v/v1.0.0.zip")
	active := func() string {
		_, page := get(t, "http://"+m.metrics+"/metrics")
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, `http_server_active_requests{goproxy_operation="zip",http_request_method="GET"`) {
				return strings.TrimSpace(line[strings.LastIndex(line, " "):])
			}
		}
		return ""
	}
	assert.Eventually(t, func() bool { return active() == "1" }, time.Minute, 50*time.Millisecond)
	assert.Equal(t, http.StatusOK, (<-done).status)
	assert.Eventually(t, func() bool { return active() == "0" }, time.Minute, 50*time.Millisecond)
}

// TestHTTPS: the real go command downloads over TLS.
func TestHTTPS(t *testing.T) {
	cert, key := selfSigned(t)
	m := start(t, []string{"MODTAP_TLS_CERT=" + cert, "MODTAP_TLS_KEY=" + key})
	require.True(t, strings.HasPrefix(m.proxy, "https://"), m.proxy)
	c := newClient(t, m.proxy, []byte("module example.com/m\n\ngo 1.26\n\nrequire github.com/pkg/errors v0.9.1\n"), "SSL_CERT_FILE="+cert, "GOSUMDB=off")
	n := c.download()
	assert.Equal(t, 3, n, ".mod, .info and .zip")
	docs := m.settled(n)
	assert.Len(t, docs, n)
	for _, d := range docs {
		assert.Equal(t, "miss", d.Goproxy.Cache.Result, d.URL.Path)
		assert.Equal(t, "ok", d.Goproxy.Outcome)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(tb testing.TB) (certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "modtap test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(tb, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(tb, err)
	dir := tb.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(tb, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(tb, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile
}
