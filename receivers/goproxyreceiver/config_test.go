// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/modtap/modtap/internal/tap/instance"
)

// load reads one component's configuration from a file in testdata.
func load(t *testing.T, file, id string) (*Config, error) {
	t.Helper()
	all, err := confmaptest.LoadConf(filepath.Join("testdata", file))
	require.NoError(t, err)
	sub, err := all.Sub(id)
	require.NoError(t, err)
	cfg := newDefaultConfig()
	return cfg, sub.Unmarshal(cfg)
}

func TestConfig(t *testing.T) {
	t.Setenv("MODTAP_DATA", "/data")
	require.NoError(t, componenttest.CheckConfigStruct(newDefaultConfig()))
	byDefault := func() *Config {
		return &Config{
			Config: instance.Config{
				ServiceName:  "goproxy",
				DataDir:      "/data",
				Sessions:     instance.SessionsConfig{IdleGap: 5 * time.Second, MaxDuration: time.Hour, MaxOpen: 100_000},
				Histograms:   "both",
				Settle:       2 * time.Second,
				Hold:         30 * time.Second,
				Journal:      instance.JournalConfig{MaxSize: 256 << 20},
				HeavyHitters: instance.HeavyHittersConfig{Modules: 100, Clients: 100, IdleExpiry: time.Hour},
			},
			Ingress: ListenerConfig{
				Endpoint:          "127.0.0.1:8081",
				TLS:               configoptional.Default(configtls.NewDefaultServerConfig()),
				ReadHeaderTimeout: 10 * time.Second,
				IdleTimeout:       3 * time.Minute,
				WriteTimeout:      time.Minute,
				MaxHeaderBytes:    65536,
				ShutdownTimeout:   30 * time.Second,
			},
			Egress: ListenerConfig{
				TLS:               configoptional.Default(configtls.NewDefaultServerConfig()),
				ReadHeaderTimeout: 10 * time.Second,
				IdleTimeout:       3 * time.Minute,
				WriteTimeout:      time.Minute,
				MaxHeaderBytes:    65536,
				ShutdownTimeout:   30 * time.Second,
			},
			WiringMemory: 24 * time.Hour,

			Upstream: "embedded",
			Forward: ForwardConfig{
				TLS:                   configtls.NewDefaultClientConfig(),
				DialTimeout:           10 * time.Second,
				ResponseHeaderTimeout: 5 * time.Minute,
				IdleBodyTimeout:       time.Minute,
			},
			Propagators: []string{"tracecontext"},
			Cache:       CacheConfig{MaxSize: 10 << 30},
			LeakAction:  LeakReport,
			Chain: ChainConfig{
				DialTimeout:           10 * time.Second,
				ResponseHeaderTimeout: time.Minute,
				IdleBodyTimeout:       time.Minute,
				Retry:                 RetryConfig{MaxRetries: 2, MaxElapsedTime: 5 * time.Second},
				CircuitBreaker:        CircuitBreakerConfig{ConsecutiveFailures: 5, OpenDuration: 10 * time.Second},
				TLS:                   configtls.NewDefaultClientConfig(),
			},
		}
	}
	certificate := configtls.NewDefaultServerConfig()
	certificate.CertFile, certificate.KeyFile, certificate.ReloadInterval = "cert.pem", "key.pem", time.Minute
	unverified := configtls.NewDefaultClientConfig()
	unverified.InsecureSkipVerify = true
	for _, c := range []struct {
		id   string
		want *Config
	}{
		{"goproxy", byDefault()},
		{"goproxy/all", &Config{
			Config: instance.Config{
				ServiceName:    "athens",
				Environment:    "production",
				DataDir:        "/var/lib/modtap",
				ClientIdentity: instance.IdentityNone,
				Sessions:       instance.SessionsConfig{IdleGap: time.Second, MaxDuration: time.Minute, MaxOpen: 10},
				Histograms:     "native",
				Settle:         time.Second,
				Journal:        instance.JournalConfig{MaxSize: 1 << 20},
				HeavyHitters:   instance.HeavyHittersConfig{Modules: 10, Clients: 0, IdleExpiry: time.Minute},
			},
			Ingress: ListenerConfig{
				Endpoint:          "0.0.0.0:443",
				TLS:               configoptional.Some(certificate),
				ReadHeaderTimeout: 5 * time.Second,
				IdleTimeout:       time.Minute,
				WriteTimeout:      time.Minute,
				MaxHeaderBytes:    8192,
				ShutdownTimeout:   10 * time.Second,
			},
			Egress: ListenerConfig{
				Endpoint:          "127.0.0.1:8082",
				TLS:               configoptional.Default(configtls.NewDefaultServerConfig()),
				ReadHeaderTimeout: 10 * time.Second,
				IdleTimeout:       3 * time.Minute,
				WriteTimeout:      time.Minute,
				MaxHeaderBytes:    65536,
				ShutdownTimeout:   30 * time.Second,
			},
			UnseenPatterns: new("git.example"),
			SharedStorage:  true,
			WiringMemory:   time.Hour,
			Upstream:       "https://athens.example:3000/base",
			Forward:        ForwardConfig{TLS: unverified, DialTimeout: time.Second, ResponseHeaderTimeout: time.Minute, IdleBodyTimeout: time.Minute},
			GOPROXY:        "https://proxy.example|direct",
			DirectPatterns: "git.example",
			TrustedProxies: []string{"10.0.0.0/8", "::1"},
			ClientHeader:   "X-Client",
			Propagators:    []string{"tracecontext", "b3", "b3multi", "jaeger"},
			Cache:          CacheConfig{MaxSize: 1 << 30, ListTTL: time.Minute},
			LeakPatterns:   new("*.corp.example,github.com/corp"),
			LeakAction:     LeakBlock,
			Chain: ChainConfig{
				DialTimeout:           time.Second,
				ResponseHeaderTimeout: 2 * time.Second,
				IdleBodyTimeout:       3 * time.Second,
				Retry:                 RetryConfig{MaxElapsedTime: time.Second},
				CircuitBreaker:        CircuitBreakerConfig{ConsecutiveFailures: 1, OpenDuration: time.Minute},
				TLS:                   unverified,
			},
		}},
	} {
		t.Run(c.id, func(t *testing.T) {
			cfg, err := load(t, "config.yaml", c.id)
			require.NoError(t, err)
			require.NoError(t, cfg.Validate())
			assert.Equal(t, c.want, cfg)
		})
	}
}

func TestConfigFaults(t *testing.T) {
	t.Setenv("MODTAP_DATA", "/data")
	for id, want := range map[string]string{
		"typo":                    "has invalid keys: upstrem",
		"typo_inside":             "'ingress' has invalid keys: endpont",
		"identity":                `unknown value "half": write full, hash or none`,
		"histograms":              `unknown value "exponential": write both, classic or native`,
		"duration":                "'settle' ",
		"service_name":            "service_name: empty: name the observed proxy",
		"data_dir":                "data_dir: empty: name a directory, or set MODTAP_DATA",
		"endpoint":                `ingress::endpoint: "localhost" is no host:port; write for example 127.0.0.1:8081`,
		"timeouts":                "ingress::idle_timeout: -1s is negative",
		"no_unit":                 "settle: 5ns is shorter than 1ms; write a unit, for example 5s",
		"no_unit_inside":          "sessions::idle_gap: 5ns is shorter than 1ms; write a unit, for example 5s",
		"max_header_bytes":        "ingress::max_header_bytes: -1 is negative",
		"upstream_without_scheme": `upstream: "athens.example:3000" is neither "embedded" nor a URL with a scheme; write for example http://127.0.0.1:3000`,
		"upstream_name":           `upstream: "athens" is neither "embedded" nor a URL with a scheme; write for example http://127.0.0.1:3000`,
		"upstream_other_scheme":   `upstream: "ftp://athens.example" is no http or https URL; write for example http://127.0.0.1:3000`,
		"upstream_without_host":   `upstream: "http:///path" names no host; write for example http://127.0.0.1:3000`,
		"upstream_query":          `upstream: "http://athens.example" has a query or a fragment; leave it out`,
		"upstream_unreadable":     `upstream: "(URL)" can't be read, special characters of user and password are written %XX; write for example http://127.0.0.1:3000`,
		"goproxy":                 "goproxy: ",
		"trusted_proxies":         `trusted_proxies: "proxy.example" is neither an address nor a network; write for example 10.0.0.0/8`,
		"client_header":           `client_header: "X Client" is no name of a header; write for example X-Forwarded-User`,
		"sessions": "sessions::idle_gap: 0s is no time to wait; write for example 5s\n" +
			"sessions::max_duration: -1s is no time to wait; write for example 5s\n" +
			"sessions::max_open: 0 is no number of sessions; write for example 100000",
		"propagators":    `propagators: unknown value "xray": write tracecontext, b3, b3multi or jaeger`,
		"no_propagators": "propagators: empty: name at least tracecontext",
		"journal":        "journal::max_size: 0 is no size in bytes; write for example 256MiB",
		"cache": "cache::max_size: -1 is no size in bytes; write for example 10GiB, or 0 for no bound\n" +
			"cache::list_ttl: -1s is negative",
		"leak_patterns":    `leak_patterns: "[corp" is no pattern: syntax error in pattern`,
		"leak_action":      `unknown value "drop": write report or block`,
		"nothing_to_block": "leak_action: nothing can be blocked with empty leak_patterns; leave one of them out",
		"heavy_hitters": "heavy_hitters::modules: -1 is no number between 0 and 10000\n" +
			"heavy_hitters::clients: 10001 is no number between 0 and 10000\n" +
			"heavy_hitters::idle_expiry: 0s is no time to wait; write for example 1h",
		"chain": "chain::dial_timeout: 0s is no time to wait; write for example 10s\n" +
			"chain::retry::max_elapsed_time: -1s is no time to wait; write for example 10s\n" +
			"chain::retry::max_retries: -1 is negative; write 0 for none\n" +
			"chain::circuit_breaker::consecutive_failures: -1 is negative; write 0 to turn it off\n" +
			"chain::tls::insecure: an element's scheme says whether TLS is used; leave it out",
		"several": "service_name: empty: name the observed proxy\nsettle: -1s is negative\nhold: -1s is negative\n" +
			`upstream: "athens" is neither "embedded" nor a URL with a scheme; write for example http://127.0.0.1:3000` + "\n" +
			"forward::dial_timeout: -1s is negative\nforward::response_header_timeout: -1s is negative\nforward::idle_body_timeout: -1s is negative",
	} {
		t.Run(id, func(t *testing.T) {
			cfg, err := load(t, "faults.yaml", "goproxy/"+id)
			switch {
			case err != nil: // the keys and values that can't be read at all
				require.ErrorContains(t, err, want)
			case id == "goproxy": // internal/chain's own words
				require.ErrorContains(t, cfg.Validate(), want)
			default:
				require.EqualError(t, cfg.Validate(), want)
			}
		})
	}
}
