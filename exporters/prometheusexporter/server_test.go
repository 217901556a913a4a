// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
)

// webConfig writes a certificate for 127.0.0.1 and a web configuration with it
// and with the user prometheus, whose password is secret.
func webConfig(t *testing.T) (path string, roots *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{
		"cert.pem": cert,
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		"web.yaml": []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users:\n" +
			"  prometheus: $2b$04$xtJpOVeTiHICatPqFR4Jx.KyISStbWcIh62xgtfnSIpYEgG86tISC\n"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(cert))
	return filepath.Join(dir, "web.yaml"), roots
}

func TestTLSAndBasicAuth(t *testing.T) {
	path, roots := webConfig(t)
	cfg := &Config{Endpoint: "127.0.0.1:0", WebConfigFile: path}
	require.NoError(t, confmap.Validate(cfg))
	var where string
	e := newExporter(cfg, exportertest.NewNopSettings(componentType), nil, func(_, at, _ string) { where = at })
	require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.shutdown(context.Background())) })
	require.Regexp(t, `^https://127\.0\.0\.1:\d+/metrics$`, where)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for password, want := range map[string]int{"secret": http.StatusOK, "wrong": http.StatusUnauthorized, "": http.StatusUnauthorized} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where, nil)
		require.NoError(t, err)
		if password != "" {
			request.SetBasicAuth("prometheus", password)
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want, response.StatusCode, "password %q", password)
	}
}

// TestAPairThatIsRenewed: a scrape between the two writes of a renewal waits for the second, whichever comes first.
func TestAPairThatIsRenewed(t *testing.T) {
	for _, order := range [][]string{{"cert.pem", "key.pem"}, {"key.pem", "cert.pem"}} {
		t.Run(order[0]+" first", func(t *testing.T) {
			t.Parallel()
			path, before := webConfig(t)
			next, roots := webConfig(t)
			var where string
			e := newExporter(&Config{Endpoint: "127.0.0.1:0", WebConfigFile: path}, exportertest.NewNopSettings(componentType), nil, func(_, at, _ string) { where = at })
			require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
			t.Cleanup(func() { assert.NoError(t, e.shutdown(context.Background())) })
			put := func(name string) {
				text, err := os.ReadFile(filepath.Join(filepath.Dir(next), name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), text, 0o600))
			}
			scrape := func(roots *x509.CertPool) error {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where, nil)
				if err != nil {
					return err
				}
				answer, err := client.Do(request)
				if err != nil {
					return err
				}
				return answer.Body.Close()
			}
			require.NoError(t, scrape(before), "it serves")
			put(order[0])
			scraped := make(chan error, 1)
			go func() { scraped <- scrape(roots) }()
			time.Sleep(300 * time.Millisecond)
			put(order[1])
			require.NoError(t, <-scraped)
		})
	}
}

func TestAWebConfigurationThatIsWrong(t *testing.T) {
	path, _ := webConfig(t)
	for name, tt := range map[string]struct{ text, want string }{
		"no key":      {"tls_server_config: {cert_file: cert.pem}", "missing one of key or key_file"},
		"unknown key": {"tls: {}", "field tls not found"},
		"clear text":  {"basic_auth_users: {prometheus: secret}", "hashedSecret too short to be a bcrypted password"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			err := confmap.Validate(&Config{Endpoint: "localhost:0", WebConfigFile: path})
			require.ErrorContains(t, err, "web_config_file is ")
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// reporter is a host that keeps what is reported.
type reporter struct {
	component.Host
	events chan *componentstatus.Event
}

func (r reporter) Report(event *componentstatus.Event) { r.events <- event }

func TestAListenerThatFailsIsReplaced(t *testing.T) {
	host := reporter{componenttest.NewNopHost(), make(chan *componentstatus.Event, 10)}
	e := newExporter(&Config{Endpoint: "localhost:0"}, exportertest.NewNopSettings(componentType), nil, func(string, string, string) {})
	require.NoError(t, e.start(t.Context(), host))
	t.Cleanup(func() { assert.NoError(t, e.shutdown(context.Background())) })
	in := newInput(nil)
	in.counter("c", 1, 1)
	require.NoError(t, e.consumeMetrics(t.Context(), in.Metrics))
	e.scrape(t, text)

	address := e.server.addr().String()
	require.NoError(t, e.server.listener.Close(), "as if the system took it away")
	event := <-host.events
	assert.Equal(t, componentstatus.StatusRecoverableError, event.Status())
	require.ErrorContains(t, event.Err(), "metrics page: ")
	assert.Equal(t, componentstatus.StatusOK, (<-host.events).Status())
	assert.Equal(t, address, e.server.addr().String())
	assert.Contains(t, string(e.scrape(t, text)), "c_total 1\n")
}

// stopWithoutListener returns how long a stop takes while a listener is tried again.
func stopWithoutListener(t *testing.T) time.Duration {
	t.Helper()
	host := reporter{componenttest.NewNopHost(), make(chan *componentstatus.Event, 10)}
	e := newExporter(&Config{Endpoint: "localhost:0"}, exportertest.NewNopSettings(componentType), nil, func(string, string, string) {})
	require.NoError(t, e.start(t.Context(), host))
	require.NoError(t, e.server.listener.Close())
	<-host.events
	began := time.Now()
	require.NoError(t, e.shutdown(t.Context()))
	return time.Since(began)
}

func TestAListenerThatFailsHoldsBackNoStop(t *testing.T) {
	best := listenAgain
	for range 5 { // One that waits does so each time, a slow machine doesn't.
		best = min(best, stopWithoutListener(t))
	}
	assert.Less(t, best, listenAgain/2)
}
