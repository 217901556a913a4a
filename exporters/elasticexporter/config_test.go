// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configcompression"
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
		"elastic": func(cfg *Config) {
			cfg.Endpoints = []string{"http://localhost:9200"}
		},
		"elastic/all": func(cfg *Config) {
			cfg.Endpoints = []string{"https://es1.example.com:9200", "https://es2.example.com:9200/prefix/"}
			cfg.Index = "proxy-logs"
			cfg.User = "modtap"
			cfg.Password = "secret"
			cfg.TLS.CAFile = "ca.pem"
			cfg.Timeout = 3 * time.Second
			cfg.SpansIndex = "proxy-spans"
			cfg.DataStream = true
			cfg.Retention = 720 * time.Hour
			cfg.Compression = "none"
			cfg.DeadLetter = DeadLetterConfig{Path: "/var/lib/modtap/dead-letter.jsonl", MaxMegabytes: 5}
			queue := cfg.QueueConfig.Get()
			queue.Sizer = exporterhelper.RequestSizerTypeBytes
			queue.QueueSize = 1 << 30
			queue.NumConsumers = 2
			cfg.RetryConfig.InitialInterval = time.Second
		},
		"elastic/api_key": func(cfg *Config) {
			cfg.Endpoints = []string{"https://es.example.com"}
			cfg.APIKey = "aWQ6a2V5"
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
	assert.Equal(t, "modtap-requests", cfg.Index)
	assert.Equal(t, "modtap-spans", cfg.SpansIndex)
	assert.Equal(t, configcompression.TypeGzip, cfg.Compression)
	assert.Zero(t, cfg.Retention, "nothing is removed")
	assert.False(t, cfg.DataStream)
	assert.Equal(t, 10*time.Second, cfg.Timeout)
	assert.True(t, cfg.QueueConfig.HasValue())
	assert.True(t, cfg.RetryConfig.Enabled)
	assert.Zero(t, cfg.RetryConfig.MaxElapsedTime, "nothing is given up")
}

func TestInvalidConfig(t *testing.T) {
	for name, want := range map[string]string{
		"elastic/nothing": "endpoints is required: list at least one URL such as http://localhost:9200\n" +
			"index is \"\": use lower-case letters, digits, '-', '_' and '.', a letter or digit first, at most 200\n" +
			"timeout is 0s: it must be more than 0\n" +
			"retention is 59m0s: it must be 0 (keep everything) or at least 1h\n" +
			"compression is \"zstd\": Elasticsearch takes gzip or none\n" +
			"dead_letter::max_megabytes is 0: it must be more than 0; leave dead_letter::path out for no file",
		"elastic/no_scheme": "endpoints[0]: \"localhost:9200\" has no scheme: write http://localhost:9200 or https://localhost:9200\n" +
			"endpoints[1]: \"es:9200\" has no scheme: write http://es:9200 or https://es:9200",
		"elastic/scheme": `endpoints[0]: "localhost:9200" is neither http:// nor https://`,
		"elastic/host": "endpoints[0]: \"http://:9200\" has no host: write http://HOST:9200\n" +
			"endpoints[1]: empty URL: write http://HOST:9200 or https://HOST:9200",
		"elastic/query": `endpoints[0]: "http://localhost:9200/?pretty" has a query or fragment: leave it out`,
		"elastic/broken": "endpoints[0]: \"localhost:9200\" is part of no valid URL: write http://HOST:9200, with %XX for special characters in user and password\n" +
			"endpoints[1]: \"localhost:port\" is part of no valid URL: write http://HOST:9200, with %XX for special characters in user and password",
		"elastic/index":        `index is "Modtap": use lower-case letters, digits, '-', '_' and '.', a letter or digit first, at most 200`,
		"elastic/spans_index":  `spans_index is "Spans": use lower-case letters, digits, '-', '_' and '.', a letter or digit first, at most 200`,
		"elastic/one_index":    `index and spans_index are both "modtap": name two, requests and spans have different fields`,
		"elastic/password":     "password is set without user: set both or neither",
		"elastic/two_users":    "user is set and endpoints name a user too: keep one of them",
		"elastic/user_and_key": "api_key and a user are both set: keep one of them",
		"elastic/queue":        "sending_queue: `queue_size` must be positive",
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
	_, err := load(t, "invalid.yaml", "elastic/unknown_key")
	require.ErrorContains(t, err, "has invalid keys: endpoint")
}

func FuzzParseEndpoint(f *testing.F) {
	for _, raw := range []string{"http://localhost:9200", "http://me:p%ss@h", "me:p@h", "http://[::1]:9200/x", "https://@", "://", "http://me:p@h\x7f"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parseEndpoint(raw)
		if err != nil {
			assert.Nil(t, u)
			return
		}
		assert.NotEmpty(t, u.Hostname())
		assert.Contains(t, []string{"http", "https"}, u.Scheme)
	})
}
