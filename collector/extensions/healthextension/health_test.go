// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for _, tt := range []struct{ id, endpoint, fault string }{
		{"health", "127.0.0.1:13133", ""},
		{"health/other", "0.0.0.0:8086", ""},
		{"health/none", "", "endpoint: empty; write HOST:PORT, 127.0.0.1:13133 for one"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			part, err := conf.Sub(tt.id)
			require.NoError(t, err)
			cfg := NewFactory().CreateDefaultConfig().(*Config)
			require.NoError(t, part.Unmarshal(cfg))
			want := createDefaultConfig().(*Config)
			want.HTTP.NetAddr.Endpoint = tt.endpoint
			assert.Equal(t, want, cfg)
			if err := confmap.Validate(cfg); tt.fault != "" {
				require.EqualError(t, err, tt.fault)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// ask returns status and body of an answer.
func ask(t *testing.T, url string) (int, body) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	var b body
	require.NoError(t, json.Unmarshal(text, &b), string(text))
	return answer.StatusCode, b
}

func TestHealth(t *testing.T) {
	var url string
	factory := NewFactory(WithAnnounce(func(what, where, _ string) {
		assert.Equal(t, "health", what)
		url = where
	}))
	cfg := factory.CreateDefaultConfig().(*Config)
	cfg.HTTP.NetAddr.Endpoint = "127.0.0.1:0"
	e, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	h := e.(*health)
	require.NoError(t, h.Shutdown(t.Context()), "before the start")
	require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
	answers := func(alive, ready, healthy int) body {
		t.Helper()
		status, _ := ask(t, url+"/")
		assert.Equal(t, alive, status, "/")
		status, _ = ask(t, url+"/ready")
		assert.Equal(t, ready, status, "/ready")
		status, b := ask(t, url+"/healthy")
		assert.Equal(t, healthy, status, "/healthy")
		return b
	}
	const ok, no = http.StatusOK, http.StatusServiceUnavailable
	answers(no, no, ok)
	require.NoError(t, h.Ready())
	assert.Equal(t, body{Status: "healthy"}, answers(ok, ok, ok))

	jaeger := componentstatus.NewInstanceID(component.MustNewIDWithName("otlp_http", "jaeger"), component.KindExporter, pipeline.NewID(pipeline.SignalTraces))
	disk := componentstatus.NewInstanceID(component.MustNewID("file_storage"), component.KindExtension)
	proxy := componentstatus.NewInstanceID(component.MustNewID("goproxy"), component.KindReceiver)
	first := componentstatus.NewRecoverableErrorEvent(errors.New("refused"))
	h.ComponentStatusChanged(jaeger, first)
	h.ComponentStatusChanged(jaeger, componentstatus.NewRecoverableErrorEvent(errors.New("no answer")))
	h.ComponentStatusChanged(disk, componentstatus.NewRecoverableErrorEvent(errors.New("no space")))
	h.ComponentStatusChanged(proxy, componentstatus.NewRecoverableErrorEvent(errors.New("journal")))
	b := answers(ok, ok, no)
	require.Len(t, b.Faults, 3)
	assert.Equal(t, fault{Component: "exporters::otlp_http/jaeger", Pipelines: []string{"traces"}, Since: first.Timestamp().UTC(), Error: "no answer"},
		b.Faults[0], "since the first, with the last error")
	assert.Equal(t, "extensions::file_storage", b.Faults[1].Component)

	h.ComponentStatusChanged(proxy, componentstatus.NewPermanentErrorEvent(errors.New("listener")))
	answers(ok, no, no)
	for _, id := range []*componentstatus.InstanceID{jaeger, disk} {
		h.ComponentStatusChanged(id, componentstatus.NewEvent(componentstatus.StatusOK))
	}
	h.ComponentStatusChanged(proxy, componentstatus.NewEvent(componentstatus.StatusStopping))
	answers(ok, ok, ok)
	require.NoError(t, h.NotReady())
	answers(no, no, ok)
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestStartNeedsThePort(t *testing.T) {
	factory := NewFactory()
	cfg := factory.CreateDefaultConfig().(*Config)
	cfg.HTTP.NetAddr.Endpoint = "256.0.0.1:1"
	e, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.Error(t, e.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, e.Shutdown(t.Context()))
}

// TestAPairThatIsRenewed: between the two writes of a renewal the last good pair is shown, and the fault is known.
func TestAPairThatIsRenewed(t *testing.T) {
	dir := t.TempDir()
	cfg := createDefaultConfig().(*Config)
	cfg.HTTP.NetAddr.Endpoint = "127.0.0.1:0"
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile, server.ReloadInterval = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), 20*time.Millisecond
	put := func() (certificate, key []byte) {
		s := httptest.NewUnstartedServer(nil)
		s.StartTLS()
		defer s.Close()
		pair := s.TLS.Certificates[0]
		secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	}
	certificate, key := put()
	require.NoError(t, os.WriteFile(server.CertFile, certificate, 0o600))
	require.NoError(t, os.WriteFile(server.KeyFile, key, 0o600))
	cfg.HTTP.TLS = configoptional.Some(server)
	var where string
	h := newHealth(cfg, extensiontest.NewNopSettings(NewFactory().Type()), func(_, at, _ string) { where = at })
	require.NoError(t, h.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, h.Shutdown(context.Background())) })
	require.NoError(t, h.Ready())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	other := []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	for _, secret := range [][]byte{key, other, nil, other[:20], key} {
		require.NoError(t, os.WriteFile(server.KeyFile, secret, 0o600))
		time.Sleep(100 * time.Millisecond)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where+"/live", http.NoBody)
		require.NoError(t, err)
		answer, err := client.Do(request)
		require.NoError(t, err, "key: %q", secret)
		require.NoError(t, answer.Body.Close())
	}
}
