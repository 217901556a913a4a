// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/modtap/modtap/internal/bytesize"
	"github.com/modtap/modtap/internal/duration"
	"github.com/modtap/modtap/internal/signal"
)

// Config is what the user of any receiver may set. A receiver's own configuration
// embeds it with `mapstructure:",squash"`, so that the keys of both stand side by side;
// its Validate joins [Config.Check] to what it finds itself.
type Config struct {
	// ServiceName is the service.name of the observed proxy. Default: the receiver's own.
	ServiceName string `mapstructure:"service_name"`
	// Environment is its deployment.environment.name. Default: none.
	Environment string `mapstructure:"environment"`
	// DataDir is where state is kept, in a folder named like the component.
	// Default: $MODTAP_DATA, else modtap in the user's cache directory.
	DataDir string `mapstructure:"data_dir"`
	// ClientIdentity says how client.address and user.name are told: full, hash
	// (keyed, the key is kept in DataDir) or none. Default: full on a loopback listener, else hash.
	ClientIdentity Identity `mapstructure:"client_identity"`
	// Sessions say which requests belong to one build session.
	Sessions SessionsConfig `mapstructure:"sessions"`
	// Histograms are the buckets that histograms are told with: both, classic or
	// native. Default: both.
	Histograms signal.Buckets `mapstructure:"histograms"`
	// Settle is how long a verdict waits for evidence. Default: 2s.
	Settle time.Duration `mapstructure:"settle"`
	// Hold is how long telemetry that a pipeline refuses is offered again before
	// it is counted as lost. Default: 30s.
	Hold time.Duration `mapstructure:"hold"`
	// Journal bounds what is kept until it is told.
	Journal JournalConfig `mapstructure:"journal"`
	// HeavyHitters are the modules and clients that are counted by name.
	HeavyHitters HeavyHittersConfig `mapstructure:"heavy_hitters"`
}

// JournalConfig bounds the journal.
type JournalConfig struct {
	// MaxSize is how many bytes of records are kept at most. Default: 256 MiB.
	MaxSize bytesize.Size `mapstructure:"max_size"`
}

// NewDefaultConfig returns the defaults of a receiver that observes a proxy of this name
// where its user gives it none.
func NewDefaultConfig(serviceName string) Config {
	return Config{
		ServiceName:  serviceName,
		DataDir:      defaultDataDir(),
		Sessions:     SessionsConfig{IdleGap: 5 * time.Second, MaxDuration: time.Hour, MaxOpen: 100_000},
		Histograms:   signal.BucketsBoth,
		Settle:       2 * time.Second,
		Hold:         30 * time.Second,
		Journal:      JournalConfig{MaxSize: 256 << 20},
		HeavyHitters: HeavyHittersConfig(signal.DefaultHeavyHitters),
	}
}

func defaultDataDir() string {
	if dir := os.Getenv("MODTAP_DATA"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // Check names the key
	}
	return filepath.Join(dir, "modtap")
}

// Check returns all faults, each with its key. It isn't called Validate because the
// collector would call that of an embedded struct by itself, with a key that no user
// wrote.
func (c *Config) Check() error {
	var errs []error
	if c.ServiceName == "" {
		errs = append(errs, errors.New("service_name: empty: name the observed proxy"))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir: empty: name a directory, or set MODTAP_DATA"))
	}
	errs = append(errs, duration.CheckAll(duration.Key{Name: "settle", Value: c.Settle}, duration.Key{Name: "hold", Value: c.Hold}))
	if c.Journal.MaxSize <= 0 {
		errs = append(errs, fmt.Errorf("journal::max_size: %d is no size in bytes; write for example 256MiB", c.Journal.MaxSize))
	}
	errs = append(errs, c.Sessions.check(), c.HeavyHitters.check())
	return errors.Join(errs...)
}
