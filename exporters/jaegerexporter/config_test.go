// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// load reads the section name of a file in testdata into the default
// configuration.
func load(t *testing.T, file, name string) (component.Config, error) {
	t.Helper()
	all, err := confmaptest.LoadConf("testdata/" + file)
	require.NoError(t, err)
	section, err := all.Sub(name)
	require.NoError(t, err)
	cfg := NewFactory().CreateDefaultConfig()
	return cfg, section.Unmarshal(cfg)
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"jaeger": func(cfg *Config) {
			cfg.ClientConfig.Endpoint = "http://localhost:14268/api/traces"
		},
		"jaeger/all": func(cfg *Config) {
			cfg.ClientConfig.Endpoint = "https://jaeger.example.com/prefix/api/traces"
			cfg.ClientConfig.Timeout = 3 * time.Second
			cfg.ClientConfig.Headers = configopaque.MapList{{Name: "X-Scope-OrgID", Value: "builds"}}
			cfg.ClientConfig.TLS.CAFile = "ca.pem"
			cfg.RemoteSampling = configoptional.Some(RemoteSamplingConfig{
				Endpoint: "https://sampling.example.com/api/sampling", RefreshInterval: 10 * time.Second,
			})
			queue := cfg.QueueConfig.Get()
			queue.Sizer = exporterhelper.RequestSizerTypeBytes
			queue.QueueSize = 1 << 30
			queue.NumConsumers = 2
			cfg.RetryConfig.InitialInterval = time.Second
		},
		"jaeger/agent": func(cfg *Config) {
			cfg.ClientConfig.Endpoint = "udp://localhost:6831"
			cfg.MaxPacketSize = 8192
			cfg.RemoteSampling = configoptional.Some(RemoteSamplingConfig{RefreshInterval: time.Minute})
			cfg.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := createDefaultConfig().(*Config)
			change(want)
			cfg, err := load(t, "config.yaml", name)
			require.NoError(t, err)
			assert.Equal(t, want.QueueConfig.Get(), cfg.(*Config).QueueConfig.Get())
			want.QueueConfig = cfg.(*Config).QueueConfig // What is off remembers its default.
			assert.Equal(t, want, cfg)
			assert.NoError(t, confmap.Validate(cfg))
		})
	}
}

func TestDefaults(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	assert.Equal(t, 10*time.Second, cfg.ClientConfig.Timeout)
	assert.Equal(t, 65000, cfg.MaxPacketSize, "what the agent reads")
	assert.False(t, cfg.RemoteSampling.HasValue(), "every trace is sent")
	assert.True(t, cfg.QueueConfig.HasValue())
	assert.True(t, cfg.RetryConfig.Enabled)
	assert.Zero(t, cfg.RetryConfig.MaxElapsedTime, "nothing is given up")
}

func TestInvalidConfig(t *testing.T) {
	for name, want := range map[string]string{
		"jaeger/nothing": "endpoint: it is required: write http://HOST:14268/api/traces or udp://HOST:6831\n" +
			"timeout is 0s: it must be more than 0\n" +
			"max_packet_size is 0: it must be from 508 to 65507",
		"jaeger/no_scheme": `endpoint: "localhost:14268" has no scheme: write http://HOST:14268/api/traces or udp://HOST:6831`,
		"jaeger/scheme":    `endpoint: "localhost:14250" is neither http://, https:// nor udp://`,
		"jaeger/host":      `endpoint: "http://:14268/api/traces" has no host: write http://HOST:14268/api/traces or udp://HOST:6831`,
		"jaeger/no_path":   `endpoint: "localhost:14268/" has no path: write http://localhost:14268/api/traces`,
		"jaeger/no_port":   `endpoint: "udp://localhost" has no port: write udp://localhost:6831`,
		"jaeger/udp_path":  `endpoint: "udp://localhost:6831/api/traces" is more than host and port: write udp://localhost:6831`,
		"jaeger/udp_user":  `endpoint: "localhost:6831" is more than host and port: write udp://localhost:6831`,
		"jaeger/broken": `endpoint: "localhost:14268/api/traces" is part of no valid URL: write http://HOST:14268/api/traces or udp://HOST:6831, ` +
			"with %XX for special characters in user and password",
		"jaeger/fragment":          `endpoint: "http://localhost:14268/api/traces#here" has a fragment: leave it out`,
		"jaeger/compression":       "compression is gzip: leave it out, older Jaegers don't decompress thrift",
		"jaeger/packet":            "max_packet_size is 65508: it must be from 508 to 65507",
		"jaeger/sampling_interval": "remote_sampling::refresh_interval is 0s: it must be more than 0",
		"jaeger/sampling_endpoint": `remote_sampling::endpoint: "localhost:6831" is neither http:// nor https://`,
		"jaeger/sampling_path": "remote_sampling::endpoint: it can't be told from the endpoint, whose path doesn't end in /traces: " +
			"write http://HOST:14268/api/sampling",
		"jaeger/queue": "sending_queue: `queue_size` must be positive",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, "invalid.yaml", name)
			require.NoError(t, err)
			err = confmap.Validate(cfg)
			require.EqualError(t, err, want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestUnknownKey(t *testing.T) {
	_, err := load(t, "invalid.yaml", "jaeger/unknown_key")
	require.ErrorContains(t, err, "has invalid keys: endpoints")
}

func TestSamplingURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://localhost:14268/api/traces":           "http://localhost:14268/api/sampling",
		"https://me:secret@jaeger.example/x/traces?a": "https://me:secret@jaeger.example/x/sampling",
		"udp://localhost:6831":                        "http://localhost:5778/sampling",
		"udp://[::1]:6831":                            "http://[::1]:5778/sampling",
	} {
		u, err := parseEndpoint(endpoint)
		require.NoError(t, err)
		u, err = samplingURL(u, "")
		require.NoError(t, err)
		assert.Equal(t, want, u.String())
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, raw := range []string{"http://localhost:14268/api/traces", "udp://h:1", "http://me:p%ss@h/x", "me:p@h", "udp://[::1]:6831", "https://@", "://", "http://me:p@h\x7f"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parseEndpoint(raw)
		if err != nil {
			assert.Nil(t, u)
			return
		}
		assert.NotEmpty(t, u.Hostname())
		assert.Contains(t, []string{"http", "https", "udp"}, u.Scheme)
	})
}
