// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/component"
)

// standardOutput is the path that stands for standard output.
const standardOutput = "-"

// minInterval keeps a slip of the unit from making a file for each batch.
const minInterval = time.Minute

// Config is the configuration of the JSON lines exporter.
type Config struct {
	// Path is the file that is written, made with its directories if it isn't
	// there and continued if it is; "-" is standard output, as is /dev/stdout and
	// what leads there. Of a symbolic link the target is written and rotated; its
	// directory must be there. Required.
	Path string `mapstructure:"path"`

	// FileMode is that of files that are made, in octal: "0640" lets a group read
	// them, Filebeat's for one. Default: "0600", for Modtap's user only.
	FileMode string `mapstructure:"file_mode"`

	// Rotation bounds the space that the file and its predecessors take. It means
	// nothing for standard output.
	Rotation RotationConfig `mapstructure:"rotation"`
}

// RotationConfig says when a file is full and how long full ones are kept.
type RotationConfig struct {
	// MaxMegabytes is the size in MiB past which a file isn't continued. A batch
	// is never split, so one that is larger has a file for itself. 0 means that
	// the file is never rotated. Default: 100.
	MaxMegabytes int `mapstructure:"max_megabytes"`

	// Interval is how old a file may get. The time since 1970 in UTC is divided
	// into intervals, and a batch that comes in a later one than the file's first
	// begins a new file: 24h makes one file a day, from midnight to midnight UTC.
	// At least 1m; 0 means that files are not rotated for their age. Default: 0.
	Interval time.Duration `mapstructure:"interval"`

	// MaxBackups is how many full files are kept; 0 keeps all. Default: 10.
	MaxBackups int `mapstructure:"max_backups"`

	// MaxDays is the age in days past which full files are removed, at the start
	// and at each rotation; 0 removes none for its age. Default: 0.
	MaxDays int `mapstructure:"max_days"`
}

var _ component.Config = (*Config)(nil)

// mode is FileMode as a number; 0 if it is none.
func (cfg *Config) mode() os.FileMode {
	mode, err := strconv.ParseUint(cfg.FileMode, 8, 32)
	if err != nil || mode > 0o666 {
		return 0
	}
	return os.FileMode(mode)
}

// Validate reports every fault of the configuration by its YAML key.
func (cfg *Config) Validate() error {
	var errs []error
	if cfg.Path == "" {
		errs = append(errs, errors.New(`path is required: name a file, or "-" for standard output`))
	}
	if cfg.FileMode != "" && cfg.mode()&0o600 != 0o600 {
		errs = append(errs, fmt.Errorf("file_mode is %q: write \"0600\", \"0640\" or \"0644\", in quotes", cfg.FileMode))
	}
	if err := checkWord(cfg.Path); err != nil {
		errs = append(errs, err)
	}
	for _, bound := range []struct {
		key   string
		value int
	}{
		{"max_megabytes", cfg.Rotation.MaxMegabytes},
		{"max_backups", cfg.Rotation.MaxBackups},
		{"max_days", cfg.Rotation.MaxDays},
	} {
		if bound.value < 0 {
			errs = append(errs, fmt.Errorf("rotation::%s is %d: it must be 0 (no bound) or more", bound.key, bound.value))
		}
	}
	if interval := cfg.Rotation.Interval; interval != 0 && interval < minInterval {
		errs = append(errs, fmt.Errorf("rotation::interval is %s: it must be 0 (files are not rotated for their age) or at least %s", interval, minInterval))
	}
	return errors.Join(errs...)
}
