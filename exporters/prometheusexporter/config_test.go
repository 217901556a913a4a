// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
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
	for name, want := range map[string]*Config{
		"prometheus":       {Endpoint: "localhost:9464", MetricExpiration: 5 * time.Minute},
		"prometheus/all":   {Endpoint: "0.0.0.0:9100", MetricExpiration: time.Hour, WebConfigFile: "testdata/web.yaml"},
		"prometheus/never": {Endpoint: "[::1]:0"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, "config.yaml", name)
			require.NoError(t, err)
			assert.Equal(t, want, cfg)
			assert.NoError(t, confmap.Validate(cfg))
		})
	}
}

func TestInvalidConfig(t *testing.T) {
	for name, want := range map[string]string{
		"prometheus/empty":   `endpoint is "": missing port in address: write HOST:PORT such as localhost:9464`,
		"prometheus/no_port": `endpoint is "localhost": missing port in address: write HOST:PORT such as localhost:9464`,
		"prometheus/url":     `endpoint is "http://localhost:9464": too many colons in address: write HOST:PORT such as localhost:9464`,
		"prometheus/port": "endpoint is \"localhost:http\": port is no number up to 65535: write HOST:PORT such as localhost:9464\n" +
			"metric_expiration is -1s: it must be 0 (never) or more",
		"prometheus/web": `web_config_file is "testdata/none.yaml": open testdata/none.yaml: no such file or directory: ` +
			"give a web configuration of Prometheus's exporter-toolkit, or leave it out",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, "invalid.yaml", name)
			require.NoError(t, err)
			assert.EqualError(t, confmap.Validate(cfg), want)
		})
	}
}

func TestUnknownKey(t *testing.T) {
	_, err := load(t, "invalid.yaml", "prometheus/unknown_key")
	require.ErrorContains(t, err, "has invalid keys: namespace")
}
