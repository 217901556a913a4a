// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/statefile"
)

// startChecker is a configuration that knows why its component would not start.
type startChecker interface {
	CheckStart(ctx context.Context, id component.ID) error
}

// checkData returns the error with which lockData would fail, but for a directory in
// use: a configuration is checked beside the Modtap that runs.
func checkData(dir string) error {
	err := statefile.CanPrivate(dir)
	if err == nil {
		err = statefile.CanOpen(filepath.Join(dir, "lock"))
	}
	if err != nil {
		return &config.Error{Key: "MODTAP_DATA", Reason: err.Error(), Cure: dataCure}
	}
	return checkQueueLinks(dir)
}

// rehearse returns the first error with which the components in use would not start, in
// the order of a start, as far as it can be known without making a file or opening a
// port.
func (c *configured) rehearse(ctx context.Context) error {
	cfg := c.config
	if err := checkLogFiles(cfg); err != nil {
		return err
	}
	if err := c.checkTelemetry(ctx); err != nil {
		return err
	}
	all, refers := parts(cfg), references{cfg.Service.Extensions}
	for _, section := range []string{"extensions", "exporters", "processors", "connectors", "receivers"} { // In the order of a start.
		in := used(cfg, section)
		for _, id := range slices.SortedFunc(maps.Keys(all[section]), byName) {
			if !in[id] {
				continue
			}
			if err := checkPart(ctx, id, all[section][id], refers); err != nil {
				return fmt.Errorf("failed to start %q %s: %w", id, strings.TrimSuffix(section, "s"), err)
			}
		}
	}
	return nil
}

func byName(a, b component.ID) int { return strings.Compare(a.String(), b.String()) }

func checkPart(ctx context.Context, id component.ID, part component.Config, refers references) error {
	switch c := part.(type) {
	case startChecker:
		return c.CheckStart(ctx, id)
	case *filestorage.Config:
		return checkFileStorage(c)
	}
	return refers.check(ctx, nil, reflect.ValueOf(part))
}

func checkFileStorage(c *filestorage.Config) error {
	dirs := []string{c.Directory}
	if c.Compaction != nil && (c.Compaction.OnStart || c.Compaction.OnRebound) {
		dirs = append(dirs, c.Compaction.Directory)
	}
	for _, dir := range dirs {
		if err := statefile.CanMake(dir); err != nil {
			return err
		}
	}
	return nil
}

// checkLogFiles looks at the files of service::telemetry::logs.
func checkLogFiles(cfg *otelcol.Config) error {
	telemetry, ok := cfg.Service.Telemetry.(*otelconftelemetry.Config)
	if !ok {
		return nil
	}
	for _, paths := range [][]string{telemetry.Logs.OutputPaths, telemetry.Logs.ErrorOutputPaths} {
		for _, path := range paths {
			if u, err := url.Parse(path); err == nil && u.Scheme == "file" {
				path = u.Path
			}
			if path == "stdout" || path == "stderr" || strings.Contains(path, "://") {
				continue
			}
			if err := canOpenSink(path); err != nil {
				return fmt.Errorf("failed to create logger: open sink %q: %w", path, err)
			}
		}
	}
	return nil
}

// canOpenSink is [statefile.CanAppend] for zap, which makes no folders.
func canOpenSink(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		return file.Close()
	}
	if _, dirErr := os.Stat(filepath.Dir(path)); dirErr != nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return statefile.CanAppend(path)
}

// checkPorts tries the addresses of the listeners. One that is in use now may be that of
// the Modtap that runs, or be free at the start: that is only said.
func checkPorts(e *effective) (inUse []string, err error) {
	for key, address := range e.addresses() {
		switch err := canBind(address); {
		case errors.Is(err, syscall.EADDRINUSE):
			inUse = append(inUse, fmt.Sprintf("%s: address %s is in use now; a start would be refused", e.label(key), address))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	slices.Sort(inUse)
	return inUse, nil
}
