// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/pipeline"
)

// Factory returns a factory whose exporters are observed.
func Factory(of exporter.Factory) exporter.Factory {
	watched := factory{Factory: of}
	alias, hasAlias := of.(aliased)
	profiles, hasProfiles := of.(xexporter.Factory)
	switch {
	case hasAlias && hasProfiles:
		return struct {
			factory
			aliased
			profiled
		}{watched, alias, profiles}
	case hasAlias:
		return struct {
			factory
			aliased
		}{watched, alias}
	default:
		return watched
	}
}

type factory struct {
	exporter.Factory
}

// aliased is what a factory has that also answers to an older name of its type.
type aliased interface {
	DeprecatedAlias() component.Type
	SetDeprecatedAlias(component.Type)
}

// profiled is what a factory has that also makes exporters of profiles, which aren't observed.
type profiled interface {
	CreateProfiles(ctx context.Context, set exporter.Settings, cfg component.Config) (xexporter.Profiles, error)
	ProfilesStability() component.StabilityLevel
}

// CreateTraces makes an observed exporter.
func (f factory) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	w, err := newWatch(&set, pipeline.SignalTraces) //nolint:contextcheck // its own metrics belong to no call
	if err != nil {
		return nil, err
	}
	e, err := f.Factory.CreateTraces(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return traces{Traces: e, watch: w}, nil
}

// CreateMetrics makes an observed exporter.
func (f factory) CreateMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	w, err := newWatch(&set, pipeline.SignalMetrics) //nolint:contextcheck // its own metrics belong to no call
	if err != nil {
		return nil, err
	}
	e, err := f.Factory.CreateMetrics(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return metrics{Metrics: e, watch: w}, nil
}

// CreateLogs makes an observed exporter.
func (f factory) CreateLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	w, err := newWatch(&set, pipeline.SignalLogs) //nolint:contextcheck // its own metrics belong to no call
	if err != nil {
		return nil, err
	}
	e, err := f.Factory.CreateLogs(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return logs{Logs: e, watch: w}, nil
}
