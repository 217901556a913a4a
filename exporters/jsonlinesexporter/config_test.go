// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

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
		"jsonlines": {
			Path:     "/var/log/modtap/requests.jsonl",
			Rotation: RotationConfig{MaxMegabytes: 100, MaxBackups: 10},
		},
		"jsonlines/all": {
			Path:     "-",
			Rotation: RotationConfig{MaxMegabytes: 5, Interval: 24 * time.Hour, MaxBackups: 3, MaxDays: 7},
		},
		"jsonlines/unbounded": {Path: "requests.jsonl"},
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
		"jsonlines/no_path": `path is required: name a file, or "-" for standard output`,
		"jsonlines/negative": "rotation::max_megabytes is -1: it must be 0 (no bound) or more\n" +
			"rotation::max_backups is -2: it must be 0 (no bound) or more\n" +
			"rotation::max_days is -3: it must be 0 (no bound) or more\n" +
			"rotation::interval is -1h0m0s: it must be 0 (files are not rotated for their age) or at least 1m0s",
		"jsonlines/short_interval": "rotation::interval is 59s: it must be 0 (files are not rotated for their age) or at least 1m0s",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, "invalid.yaml", name)
			require.NoError(t, err)
			assert.EqualError(t, confmap.Validate(cfg), want)
		})
	}
}

func TestUnknownKeys(t *testing.T) {
	_, err := load(t, "invalid.yaml", "jsonlines/unknown_key")
	require.ErrorContains(t, err, "has invalid keys: rotate")
	_, err = load(t, "invalid.yaml", "jsonlines/unknown_rotation_key")
	require.ErrorContains(t, err, "'rotation' has invalid keys: max_size")
}
