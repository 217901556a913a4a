// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
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
		"logstash": func(cfg *Config) {
			cfg.Hosts = []string{"localhost:5044"}
		},
		"logstash/all": func(cfg *Config) {
			cfg.Hosts = []string{"logstash1.example.com:5044", "[2001:db8::1]:5044"}
			cfg.WindowSize = 100
			cfg.CompressionLevel = 0
			cfg.Timeout = 3 * time.Second
			secure := configtls.NewDefaultClientConfig()
			secure.CAFile = "ca.pem"
			cfg.TLS = configoptional.Some(secure)
			queue := cfg.QueueConfig.Get()
			queue.Sizer = exporterhelper.RequestSizerTypeBytes
			queue.QueueSize = 1 << 30
			queue.NumConsumers = 2
			cfg.RetryConfig.InitialInterval = time.Second
		},
		"logstash/system_roots": func(cfg *Config) {
			cfg.Hosts = []string{"logstash.example.com:5044"}
			cfg.TLS = configoptional.Some(configtls.NewDefaultClientConfig())
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
	assert.Equal(t, 2048, cfg.WindowSize)
	assert.Equal(t, 3, cfg.CompressionLevel)
	assert.Equal(t, 10*time.Second, cfg.Timeout)
	assert.False(t, cfg.TLS.HasValue())
	assert.True(t, cfg.QueueConfig.HasValue())
	assert.True(t, cfg.RetryConfig.Enabled)
	assert.Zero(t, cfg.RetryConfig.MaxElapsedTime, "nothing is given up")
}

func TestInvalidConfig(t *testing.T) {
	const such = "write an address such as localhost:5044"
	for name, want := range map[string]string{
		"logstash/nothing": "hosts is required: list at least one address such as localhost:5044\n" +
			"window_size is 0: it must be 1 or more\n" +
			"compression_level is 10: it must be from 0 (none) to 9\n" +
			"timeout is 0s: it must be more than 0",
		"logstash/hosts": `hosts[0]: "http://localhost:5044" is a URL: write HOST:PORT, such as localhost:5044, and set tls for TLS` + "\n" +
			`hosts[1]: "localhost" isn't HOST:PORT: ` + such + "\n" +
			`hosts[2]: ":5044" isn't HOST:PORT: ` + such + "\n" +
			`hosts[3]: "localhost:" has no port from 1 to 65535: ` + such + "\n" +
			`hosts[4]: "localhost:beats" has no port from 1 to 65535: ` + such + "\n" +
			`hosts[5]: "localhost:0" has no port from 1 to 65535: ` + such + "\n" +
			`hosts[6]: "localhost:65536" has no port from 1 to 65535: ` + such,
		"logstash/compression": "compression_level is -1: it must be from 0 (none) to 9",
		"logstash/queue":       "sending_queue: `queue_size` must be positive",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, "invalid.yaml", name)
			require.NoError(t, err)
			assert.EqualError(t, confmap.Validate(cfg), want)
		})
	}
}

func TestUnknownKey(t *testing.T) {
	_, err := load(t, "invalid.yaml", "logstash/unknown_key")
	require.ErrorContains(t, err, "has invalid keys: host")
}

func FuzzValidateHost(f *testing.F) {
	for _, address := range []string{"localhost:5044", "[::1]:5044", "::1:5044", "tcp://localhost:5044", ":", "a:99999"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if validateHost(address) != nil {
			return
		}
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		assert.NotEmpty(t, host)
		assert.NotEmpty(t, port)
	})
}
