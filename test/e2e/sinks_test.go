// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestMuteUpstream: a TLS upstream's HTTP/2 connection goes mute without a reset. Within the time of a ping and its answer requests
// succeed again, in front of a proxy and with the embedded one.
func TestMuteUpstream(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(o.serve))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	for name, variables := range map[string][]string{
		"forward":  {"MODTAP_EGRESS_UPSTREAM=off", "MODTAP_UPSTREAM="},
		"embedded": {"GOSUMDB=off", "GONOSUMDB=*", "MODTAP_EGRESS_UPSTREAM="},
	} {
		t.Run("case 36: "+name, func(t *testing.T) {
			t.Parallel()
			relay := backends.NewRelay(t, secure.Listener.Addr().String())
			env := append([]string{"SSL_CERT_FILE=" + authority}, variables...)
			env[len(env)-1] += "https://" + relay.Address
			m := start(t, env)
			ask := func() int {
				client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
				answer, err := client.Get(m.proxy + "/example.com/m/@v/list") // asked upstream each time
				if err != nil {
					return 0
				}
				answer.Body.Close()
				return answer.StatusCode
			}
			want := ask() // the origin has no lists
			require.Equal(t, http.StatusNotFound, want)
			relay.Silence()
			begun := time.Now()
			for ask() != want {
				require.Less(t, time.Since(begun), 40*time.Second, "the mute connection is still used")
			}
			took := time.Since(begun)
			t.Logf("a new connection after %v", took.Round(100*time.Millisecond))
			for range 20 {
				require.Equal(t, want, ask())
			}
		})
	}
}

// newPair writes a self-signed certificate and its key.
func newPair(t *testing.T, name, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	text, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	if certificate != "" {
		require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	}
	if key != "" {
		require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}), 0o600))
	}
}

// TestCertificateHalfRenewed: while the two files make no pair the last good one is shown, and /healthy says so.
func TestCertificateHalfRenewed(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	newPair(t, "first", certificate, key)
	m := start(t, append(o.goproxy(), "MODTAP_TLS_CERT="+certificate, "MODTAP_TLS_KEY="+key), "--set", "receivers.goproxy.ingress.tls.reload_interval=200ms")
	shown := func() string {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
		answer, err := (&http.Client{Transport: transport}).Get(m.proxy + "/example.com/m/@v/v1.0.0.mod")
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
		return answer.TLS.PeerCertificates[0].Subject.CommonName
	}
	assert.Equal(t, "first", shown())
	newPair(t, "second", certificate, "") // another key than the one that is there
	backends.Await(t, time.Minute, "the fault in /healthy", func() bool {
		return strings.Contains(m.broken()["receivers::goproxy"], "ingress::tls: the certificate that expires on")
	})
	status, _ := get(t, m.healthURL()+"/ready")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "first", shown(), "case 37: between the two writes")
	assert.Contains(t, m.output.String(), "certificate is not renewed")
	newPair(t, "third", certificate, key)
	backends.Await(t, time.Minute, "no fault in /healthy", func() bool { return len(m.broken()) == 0 })
	assert.Equal(t, "third", shown())
}

// TestBytesBehindAnAnswer: an upstream that sends more than its answer costs one line a minute, without what it sent.
func TestBytesBehindAnAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			go func() {
				defer conn.Close()
				for {
					if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
						return
					}
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					time.Sleep(20 * time.Millisecond) // the answer is read, and the connection idle
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nX-Secret: hunter2\r\n\r\n")
				}
			}()
		}
	}()
	m := start(t, []string{"MODTAP_UPSTREAM=http://" + l.Addr().String(), "MODTAP_EGRESS_UPSTREAM=off"})
	for range 10 {
		get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
		time.Sleep(50 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return strings.Contains(m.output.String(), "sent something") }, time.Minute, 10*time.Millisecond)
	printed := m.output.String()
	assert.Equal(t, 1, strings.Count(printed, "sent something that nobody asked for"), "case 35: %s", printed)
	assert.NotContains(t, printed, "hunter2", "case 35")
	assert.NotContains(t, printed, "Unsolicited")
}

// TestJaegerAddresses: what people write for a Jaeger, with a real one: it works, or what to write is said.
func TestJaegerAddresses(t *testing.T) {
	jaeger := backends.Jaeger(t)
	overHTTP := strings.TrimPrefix(jaeger.OTLPHTTP, "http://")
	query := strings.TrimPrefix(jaeger.URL, "http://")
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	for _, tt := range []struct{ address, exporter, cure string }{
		{"http://" + overHTTP, "", ""},
		{"http://" + overHTTP + "/", "", ""},
		{"http://" + overHTTP + "/v1/traces", "", ""},
		{"http://" + overHTTP + "/v1/traces/", "", ""},
		{"grpc://" + jaeger.OTLPGRPC, "", ""},
		{"http://" + jaeger.OTLPGRPC, "otlp_http/jaeger", "write grpc://" + jaeger.OTLPGRPC},
		{"https://" + overHTTP, "otlp_http/jaeger", "write http://" + overHTTP},
		{"https://" + jaeger.OTLPGRPC, "otlp_http/jaeger", "or grpc://" + jaeger.OTLPGRPC},
		{"grpc://" + overHTTP, "otlp_grpc/jaeger", "write http://" + overHTTP},
		{"grpcs://" + jaeger.OTLPGRPC, "otlp_grpc/jaeger", "write grpc://" + jaeger.OTLPGRPC},
		{"http://" + query, "otlp_http/jaeger", "answer of " + query},
	} {
		t.Run("case 33: "+strings.NewReplacer(overHTTP, "HTTP", jaeger.OTLPGRPC, "GRPC", query, "QUERY").Replace(tt.address), func(t *testing.T) {
			m := start(t, append(o.goproxy(), "MODTAP_JAEGER="+tt.address))
			get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
			if tt.cure == "" {
				backends.Await(t, time.Minute, "a span that is taken", func() bool {
					return m.sample("otelcol_exporter_send_duration_seconds_count", `outcome="success"`, `data_type="traces"`) > 0
				})
				assert.Empty(t, m.broken())
				return
			}
			var said string
			if !assert.Eventually(t, func() bool {
				said = m.broken()["exporters::"+tt.exporter]
				return strings.Contains(said, tt.cure)
			}, time.Minute, 100*time.Millisecond) {
				t.Logf("/healthy says: %s", said)
			}
			assert.Negative(t, m.sample("otelcol_exporter_dropped_items_total", `data_type="traces"`)-1, "nothing is dropped")
		})
	}
	out, err := command(t.TempDir(), append(o.goproxy(), "MODTAP_JAEGER="+jaeger.Thrift+"/api/traces")).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "thrift")
	assert.Contains(t, string(out), "http://HOST:4318")
}
