// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.uber.org/zap"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/collector/exporterwatch"
	"github.com/modtap/modtap/collector/extensions/healthextension"
	"github.com/modtap/modtap/collector/otlpsink"
	"github.com/modtap/modtap/collector/queuefile"
	"github.com/modtap/modtap/collector/stdio"
	"github.com/modtap/modtap/exporters/elasticexporter"
	"github.com/modtap/modtap/exporters/jaegerexporter"
	"github.com/modtap/modtap/exporters/jsonlinesexporter"
	"github.com/modtap/modtap/exporters/logstashexporter"
	"github.com/modtap/modtap/exporters/prometheusexporter"
	"github.com/modtap/modtap/receivers/goproxyreceiver"
)

// An announcer tells the user where a component is, once it is there.
type announcer func(what, where, note string)

// A part is something compiled in, with the package it comes from.
// The same packages are in builder.yaml; a test compares the two.
type part[F any] struct {
	factory F
	from    string
}

func receivers(announce announcer) []part[receiver.Factory] {
	return []part[receiver.Factory]{
		{goproxyreceiver.NewFactory(goproxyreceiver.WithAnnounce(announce)), "github.com/modtap/modtap/receivers/goproxyreceiver"},
		{otlpreceiver.NewFactory(), "go.opentelemetry.io/collector/receiver/otlpreceiver"},
	}
}

func processors() []part[processor.Factory] {
	return []part[processor.Factory]{
		{memorylimiterprocessor.NewFactory(), "go.opentelemetry.io/collector/processor/memorylimiterprocessor"},
	}
}

func exporters(own prometheus.Gatherer, announce announcer) []part[exporter.Factory] {
	return []part[exporter.Factory]{
		{elasticexporter.NewFactory(), "github.com/modtap/modtap/exporters/elasticexporter"},
		{jaegerexporter.NewFactory(), "github.com/modtap/modtap/exporters/jaegerexporter"},
		{jsonlinesexporter.NewFactory(), "github.com/modtap/modtap/exporters/jsonlinesexporter"},
		{logstashexporter.NewFactory(), "github.com/modtap/modtap/exporters/logstashexporter"},
		{prometheusexporter.NewFactory(prometheusexporter.WithGatherer(own), prometheusexporter.WithAnnounce(announce)), "github.com/modtap/modtap/exporters/prometheusexporter"},
		{debugexporter.NewFactory(), "go.opentelemetry.io/collector/exporter/debugexporter"},
		{otlpsink.GRPC(), "go.opentelemetry.io/collector/exporter/otlpexporter"},
		{otlpsink.HTTP(), "go.opentelemetry.io/collector/exporter/otlphttpexporter"},
	}
}

func extensions(announce announcer, queues *queuefile.Findings) []part[extension.Factory] {
	return []part[extension.Factory]{
		{healthextension.NewFactory(healthextension.WithAnnounce(announce), healthextension.WithCheck("service::telemetry::logs", stdio.Fault), healthextension.WithCheck("service", openFiles.Fault)), "github.com/modtap/modtap/collector/extensions/healthextension"},
		{queuefile.Factory(queues), "github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"},
	}
}

func providers() []part[confmap.ProviderFactory] {
	return []part[confmap.ProviderFactory]{
		{envprovider.NewFactory(), "go.opentelemetry.io/collector/confmap/provider/envprovider"},
		{fileprovider.NewFactory(), "go.opentelemetry.io/collector/confmap/provider/fileprovider"},
		{yamlprovider.NewFactory(), "go.opentelemetry.io/collector/confmap/provider/yamlprovider"},
		{config.NewFactory(), "github.com/modtap/modtap/collector/config"},
	}
}

// newFactories makes all factories. The registry of Modtap's own metrics lives as
// long as the components that read from it.
func newFactories(announce announcer, queues *queuefile.Findings) (otelcol.Factories, error) {
	registry := newRegistry()
	f := otelcol.Factories{Telemetry: newTelemetryFactory(registry)}
	var err error
	if f.Receivers, f.ReceiverModules, err = byType(receivers(announce)); err != nil {
		return f, err
	}
	if f.Processors, f.ProcessorModules, err = byType(processors()); err != nil {
		return f, err
	}
	if f.Exporters, f.ExporterModules, err = byType(exporters(registry, announce)); err != nil {
		return f, err
	}
	for of, made := range f.Exporters {
		f.Exporters[of] = exporterwatch.Factory(made)
	}
	f.Extensions, f.ExtensionModules, err = byType(extensions(announce, queues))
	return f, err
}

func byType[F component.Factory](parts []part[F]) (map[component.Type]F, map[component.Type]string, error) {
	factories := make([]F, len(parts))
	modules := make(map[component.Type]string, len(parts))
	for i, p := range parts {
		factories[i] = p.factory
		modules[p.factory.Type()] = module(p.from)
	}
	byType, err := otelcol.MakeFactoryMap(factories...)
	return byType, modules, err
}

// module returns a package with the version that the binary records for it.
// Upstream's packages are modules of their own, ours are in the main module.
func module(from string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == from {
				return from + " " + dep.Version
			}
		}
	}
	return from + " " + currentVersion()
}

func newSettings(uris []string, e *effective, announce announcer, held *gate, queues *queuefile.Findings) otelcol.CollectorSettings {
	set := otelcol.CollectorSettings{
		Factories: func() (otelcol.Factories, error) { return newFactories(announce, queues) },
		BuildInfo: component.BuildInfo{
			Command:     "modtap",
			Description: "Observability sidecar for Go module proxies",
			Version:     currentVersion(),
		},
		LoggingOptions:  []zap.Option{zap.WrapCore(newSafeCore), zap.WrapCore(held.wrap), zap.WrapCore(newFailingCore), zap.WrapCore(withLibraryLog)},
		ProviderModules: make(map[string]string),
	}
	resolver := &set.ConfigProviderSettings.ResolverSettings
	resolver.URIs, resolver.DefaultScheme = uris, "env"
	resolver.ConverterFactories = []confmap.ConverterFactory{converter(userinfoTaker{}), converter(e)}
	for _, p := range providers() {
		resolver.ProviderFactories = append(resolver.ProviderFactories, p.factory)
		set.ProviderModules[p.factory.Create(confmap.ProviderSettings{}).Scheme()] = module(p.from)
	}
	resolver.ProviderFactories = config.Named(resolver.ProviderFactories, uris)
	return set
}
