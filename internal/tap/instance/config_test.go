// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
)

// settings are of a receiver that has one key of its own.
type settings struct {
	Config `mapstructure:",squash"`
	Path   string `mapstructure:"path"`
}

func TestSettingsStandBesideTheReceiversOwn(t *testing.T) {
	t.Setenv("MODTAP_DATA", "/data")
	cfg := &settings{Config: NewDefaultConfig("athens")}
	require.NoError(t, componenttest.CheckConfigStruct(cfg))
	assert.Equal(t, "/data", cfg.DataDir)
	require.NoError(t, cfg.Check())
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"path": "access.log", "service_name": "proxy", "sessions": map[string]any{"idle_gap": "1s"},
	}).Unmarshal(cfg))
	want := NewDefaultConfig("proxy")
	want.Sessions.IdleGap = 1e9
	assert.Equal(t, &settings{Config: want, Path: "access.log"}, cfg)
	assert.ErrorContains(t, confmap.NewFromStringMap(map[string]any{"config": map[string]any{}}).Unmarshal(cfg), "has invalid keys: config")
}

// TestEveryFaultHasItsKey: the collector walks the fields of a configuration by itself
// and must find nothing that it would name by a key which nobody wrote.
func TestEveryFaultHasItsKey(t *testing.T) {
	cfg := &settings{Config: Config{Settle: -1, Hold: 5, HeavyHitters: HeavyHittersConfig{Modules: -1, Clients: maxHitters + 1}}}
	require.EqualError(t, cfg.Check(), "service_name: empty: name the observed proxy\n"+
		"data_dir: empty: name a directory, or set MODTAP_DATA\n"+
		"settle: -1ns is negative\n"+
		"hold: 5ns is shorter than 1ms; write a unit, for example 5s\n"+
		"journal::max_size: 0 is no size in bytes; write for example 256MiB\n"+
		"sessions::idle_gap: 0s is no time to wait; write for example 5s\n"+
		"sessions::max_duration: 0s is no time to wait; write for example 5s\n"+
		"sessions::max_open: 0 is no number of sessions; write for example 100000\n"+
		"heavy_hitters::modules: -1 is no number between 0 and 10000\n"+
		"heavy_hitters::clients: 10001 is no number between 0 and 10000\n"+
		"heavy_hitters::idle_expiry: 0s is no time to wait; write for example 1h")
	assert.NoError(t, confmap.Validate(&cfg.Config))
}

func TestDataDirComesFromTheEnvironment(t *testing.T) {
	t.Setenv("MODTAP_DATA", "")
	t.Setenv("HOME", "/home/somebody")
	t.Setenv("XDG_CACHE_HOME", "")
	assert.Contains(t, NewDefaultConfig("goproxy").DataDir, "modtap")
	t.Setenv("HOME", "")
	assert.Empty(t, NewDefaultConfig("goproxy").DataDir)
}

func TestIdentityOfTheClient(t *testing.T) {
	for _, value := range []string{"", "full", "hash", "none"} {
		var i Identity
		require.NoError(t, i.UnmarshalText([]byte(value)))
		assert.Equal(t, Identity(value), i)
	}
	assert.EqualError(t, new(Identity).UnmarshalText([]byte("half")), `unknown value "half": write full, hash or none`)
}
