// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/modtap/modtap/test/port"
)

// creators make the receiver for one signal each.
var creators = map[string]func(ctx context.Context, f receiver.Factory, set receiver.Settings, cfg component.Config) (component.Component, error){
	"traces": func(ctx context.Context, f receiver.Factory, set receiver.Settings, cfg component.Config) (component.Component, error) {
		return f.CreateTraces(ctx, set, cfg, consumertest.NewNop())
	},
	"metrics": func(ctx context.Context, f receiver.Factory, set receiver.Settings, cfg component.Config) (component.Component, error) {
		return f.CreateMetrics(ctx, set, cfg, consumertest.NewNop())
	},
	"logs": func(ctx context.Context, f receiver.Factory, set receiver.Settings, cfg component.Config) (component.Component, error) {
		return f.CreateLogs(ctx, set, cfg, consumertest.NewNop())
	},
}

func TestLifecycleOfEachSignal(t *testing.T) {
	for name, create := range creators {
		t.Run(name, func(t *testing.T) {
			f := NewFactory()
			set := receivertest.NewNopSettings(f.Type())
			cfg := testConfig(t, "http://127.0.0.1:1")
			c, err := create(t.Context(), f, set, cfg)
			require.NoError(t, err)
			require.NoError(t, c.Shutdown(t.Context()), "before Start")
			require.NoError(t, c.Shutdown(t.Context()))

			c, err = create(t.Context(), f, set, cfg)
			require.NoError(t, err)
			require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
			require.NoError(t, c.Shutdown(t.Context()))
			require.NoError(t, c.Shutdown(t.Context()), "twice")
		})
	}
}

func TestThreeSignalsAreOneListener(t *testing.T) {
	cfg := testConfig(t, "http://127.0.0.1:1")
	cfg.Ingress.Endpoint = port.Address(t)
	listens := func() bool {
		c, err := net.Dial("tcp", cfg.Ingress.Endpoint)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	f := NewFactory()
	set := receivertest.NewNopSettings(f.Type())
	var all []component.Component
	for _, create := range creators {
		c, err := create(t.Context(), f, set, cfg)
		require.NoError(t, err)
		all = append(all, c)
	}
	for _, c := range all {
		assert.False(t, listens(), "not before the last signal was started")
		require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	}
	assert.True(t, listens())
	for _, c := range all {
		require.NoError(t, c.Shutdown(t.Context()))
		assert.False(t, listens())
	}
}

func TestStartFaults(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file") // modes don't stop root
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"port taken", func(c *Config) { c.Ingress.Endpoint = taken.Addr().String() }, "ingress::endpoint: "},
		{"data directory that can't be written", func(c *Config) { c.DataDir = file }, "data_dir: " + file + " can't be written ("},
		{"no such address", func(c *Config) { c.Ingress.Endpoint = "192.0.2.1:8081" }, "ingress::endpoint: "},
		{"no certificate", func(c *Config) {
			server := configtls.NewDefaultServerConfig()
			server.CertFile, server.KeyFile = "/nowhere/cert.pem", "/nowhere/key.pem"
			c.Ingress.TLS = configoptional.Some(server)
		}, "ingress::tls: "},
		{"no upstream CA", func(c *Config) { c.Forward.TLS.CAFile = "/nowhere/ca.pem" }, "forward::tls: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFactory()
			cfg := testConfig(t, "http://127.0.0.1:1")
			c.change(cfg)
			r, err := f.CreateLogs(t.Context(), receivertest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
			require.NoError(t, err)
			require.ErrorContains(t, r.Start(t.Context(), componenttest.NewNopHost()), c.want)
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

// TestShutdownAndRunningDownloads: at a stop, downloads may finish for a while.
func TestShutdownAndRunningDownloads(t *testing.T) {
	for _, c := range []struct {
		name     string
		takes    time.Duration
		timeout  time.Duration
		finishes bool
	}{
		{"finishes", time.Second, 20 * time.Second, true},
		{"is cut off", 20 * time.Second, 500 * time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			origin := startOrigin(t, func(conn net.Conn, _ received) {
				send(conn, answer("200 OK", "Content-Length: 10")+"hello")
				_ = conn.SetReadDeadline(time.Now().Add(c.takes))
				_, _ = conn.Read(make([]byte, 1))
				send(conn, "world")
			})
			cfg := testConfig(t, origin.url)
			cfg.Ingress.ShutdownTimeout = c.timeout
			r := startReceiver(t, cfg)
			download := open(t, r.url+zip)
			stopped := make(chan time.Duration, 1)
			go func() {
				began := time.Now()
				assert.NoError(t, r.component.Shutdown(context.Background()))
				stopped <- time.Since(began)
			}()
			body, err := io.ReadAll(download)
			took := <-stopped
			all := r.exchanges(t)
			require.Len(t, all, 1, "it is told in any case")
			if c.finishes {
				require.NoError(t, err)
				assert.Equal(t, "helloworld", string(body))
				assert.Equal(t, "ok", all[0].log["goproxy.outcome"])
				return
			}
			require.Error(t, err)
			assert.Equal(t, "hello", string(body))
			assert.GreaterOrEqual(t, took, c.timeout)
			assert.Less(t, took, soon)
			assert.Equal(t, "interrupted", all[0].log["goproxy.outcome"])
			assert.EqualValues(t, 5, all[0].log["http.response.body.bytes"])
		})
	}
}
