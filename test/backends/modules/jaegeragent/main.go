// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command jaegeragent stands in for Jaeger's agent, which Jaeger 1.76 has no more: a collector with contrib's Jaeger
// receiver (thrift over UDP and HTTP) that forwards over OTLP.
package main

import (
	"fmt"
	"os"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/jaegerreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func factories() (otelcol.Factories, error) {
	f := otelcol.Factories{Telemetry: otelconftelemetry.NewFactory()}
	var err error
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](jaegerreceiver.NewFactory()); err != nil {
		return f, err
	}
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](otlpexporter.NewFactory())
	return f, err
}

func main() {
	set := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "jaegeragent", Version: "0.158.0"},
		Factories: factories,
	}
	resolver := &set.ConfigProviderSettings.ResolverSettings
	resolver.ProviderFactories = []confmap.ProviderFactory{yamlprovider.NewFactory()}
	resolver.DefaultScheme = "yaml"
	if err := otelcol.NewCommand(set).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
