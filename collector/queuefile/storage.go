// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Factory returns the factory of file_storage, with the queues that exporters keep in it observed: their oldest request's age and
// what [Guard] found lost are metrics, a fault of the disk is reported as the extension's status, and each has its note.
func Factory(findings *Findings) extension.Factory {
	upstream := filestorage.NewFactory()
	return extension.NewFactory(upstream.Type(), upstream.CreateDefaultConfig,
		func(ctx context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
			inner, err := upstream.Create(ctx, set, cfg)
			if err != nil {
				return nil, err
			}
			stores, ok := inner.(storage.Extension)
			if !ok {
				return nil, errors.New("file_storage without a storage")
			}
			return &store{Extension: stores, dir: cfg.(*filestorage.Config).Directory, set: set.TelemetrySettings, findings: findings}, nil
		}, upstream.Stability())
}

// Findings are what [Guard] found, for the metrics of the collector that is started afterwards.
type Findings struct{ All []Finding }

// of returns what was found on a queue file.
func (f *Findings) of(path string) Salvaged {
	for _, one := range f.All {
		if one.File == path {
			return one.Salvaged
		}
	}
	return Salvaged{}
}

// store is file_storage.
type store struct {
	storage.Extension
	dir      string
	set      component.TelemetrySettings
	findings *Findings

	mu     sync.Mutex
	host   component.Host
	faulty map[string]bool // by queue file
}

func (s *store) Start(ctx context.Context, host component.Host) error {
	s.mu.Lock()
	s.host = host
	s.mu.Unlock()
	return s.Extension.Start(ctx, host)
}

func (s *store) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	client, err := s.Extension.GetClient(ctx, kind, id, name)
	if err != nil || kind != component.KindExporter {
		return client, err
	}
	path := filepath.Join(s.dir, fileName(id, name))
	q := &queue{Client: client, path: path, report: s.report}
	if err := q.open(ctx, s.set, id, name, s.findings.of(path)); err != nil {
		return nil, errors.Join(err, client.Close(ctx))
	}
	return q, nil
}

// report tells the collector that the disk refused a queue, or takes it again.
func (s *store) report(path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && !s.faulty[path] {
		return
	}
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if err != nil {
		if s.faulty == nil {
			s.faulty = make(map[string]bool)
		}
		s.faulty[path] = true
		event = componentstatus.NewRecoverableErrorEvent(fmt.Errorf("queue file %s: %w", path, err))
	} else if delete(s.faulty, path); len(s.faulty) > 0 {
		return
	}
	componentstatus.ReportStatus(s.host, event)
}

// fileName is how file_storage names the file of an exporter's queue.
func fileName(id component.ID, name string) string {
	var file strings.Builder
	for _, r := range fmt.Sprintf("exporter_%s_%s_%s", id.Type(), id.Name(), name) {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r) {
			file.WriteRune(r)
		} else {
			fmt.Fprintf(&file, "~%04X", r)
		}
	}
	return file.String()
}
