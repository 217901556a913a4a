// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"context"
	"fmt"
	"path/filepath"

	"go.opentelemetry.io/collector/component"

	"github.com/modtap/modtap/internal/statefile"
)

// CheckStart returns the error with which an exporter of this configuration would not
// start, without making the file.
func (cfg *Config) CheckStart(_ context.Context, id component.ID) error {
	if isStandardOutput(cfg.Path) {
		return nil
	}
	to, err := checkPath(cfg.Path)
	if err == nil && to == cfg.Path {
		err = statefile.CanMake(filepath.Dir(to))
	}
	if err == nil {
		err = statefile.CanAppend(to)
	}
	return pathError(id, err)
}

// pathError names the key.
func pathError(id component.ID, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("exporters::%s::path: %w: name a file that Modtap may write to, or \"-\" for standard output", id, err)
}
