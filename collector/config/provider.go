// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/modtap/modtap/internal/suggest"
)

// Scheme is what an address of the provider starts with: modtap:base.
const Scheme = "modtap"

//go:embed *.yaml
var files embed.FS

// fragments maps a fragment's name to the choice of its file.
var fragments = map[string]func() (string, error){
	"base":          file("base.yaml"),
	"elasticsearch": file("elasticsearch.yaml"),
	"jaeger":        jaegerFile,
	"jsonlines":     file("jsonlines.yaml"),
	"tls":           file("tls.yaml"),
}

func file(name string) func() (string, error) {
	return func() (string, error) { return name, nil }
}

// NewFactory returns the factory of the provider with the scheme "modtap". It
// resolves the fragments' names and, inside them, the names of checked values.
// What it returns as an error is an [*Error], except for an unreadable address.
func NewFactory() confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return provider{} })
}

type provider struct{}

var _ confmap.Provider = provider{}

func (provider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	name, ok := strings.CutPrefix(uri, Scheme+":")
	if !ok {
		return nil, fmt.Errorf("address %q without the scheme %s", uri, Scheme)
	}
	if v, ok := values[name]; ok {
		value, err := v.get()
		if err != nil {
			return nil, err
		}
		return confmap.NewRetrieved(value)
	}
	choose, ok := fragments[name]
	if !ok {
		return nil, &Error{
			Key:    "--config " + uri,
			Reason: "no such embedded configuration",
			Cure:   suggest.Among(name, slices.Collect(maps.Keys(fragments))),
		}
	}
	chosen, err := choose()
	if err != nil {
		return nil, err
	}
	text, err := files.ReadFile(chosen)
	if err != nil {
		return nil, err
	}
	return confmap.NewRetrievedFromYAML(text)
}

func (provider) Scheme() string { return Scheme }

func (provider) Shutdown(context.Context) error { return nil }
