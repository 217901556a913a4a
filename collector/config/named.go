// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

const fileCure = "name a file, or modtap:base for the embedded configuration"

// Named returns the providers' factories such that their errors name the configuration
// that they are about, one of several that are merged. uris are those given with
// --config; upstream's providers take what is no YAML for a text, and resolving says
// only that some text is no configuration. A configuration that empties what one before
// it says is an error too.
func Named(factories []confmap.ProviderFactory, uris []string) []confmap.ProviderFactory {
	top := make(map[string]string, len(uris))
	for _, uri := range uris {
		if !strings.Contains(uri, ":") || len(uri) > 1 && uri[1] == ':' { // a file, as confmap has it
			top["file:"+uri] = "--config " + uri
			continue
		}
		top[uri] = "--config " + uri
	}
	before, all := new(above), make([]confmap.ProviderFactory, len(factories))
	for i, factory := range factories {
		all[i] = confmap.NewProviderFactory(func(set confmap.ProviderSettings) confmap.Provider {
			return named{factory.Create(set), top, before}
		})
	}
	return all
}

type named struct {
	confmap.Provider
	top    map[string]string // the names of the configurations by their addresses
	before *above
}

func (n named) Retrieve(ctx context.Context, uri string, watcher confmap.WatcherFunc) (*confmap.Retrieved, error) {
	name, isTop := n.top[uri]
	if !isTop {
		name = "${" + uri + "}"
	}
	retrieved, err := n.Provider.Retrieve(ctx, uri, watcher)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, &Error{Key: name, Reason: failed.Err.Error(), Cure: fileCure}
	}
	if err != nil && isTop && strings.Contains(err.Error(), "unsupported type=map[interface") {
		return nil, &Error{Key: name, Reason: "has a key that isn't text", Cure: mapCure}
	}
	if err != nil || !isTop {
		return retrieved, err
	}
	// A provider of ours has no text to look at, nor a fault in it.
	if text, err := retrieved.AsString(); err == nil && uri[:strings.Index(uri, ":")] != Scheme {
		if err := checkDocument(name, []byte(text)); err != nil {
			return nil, errors.Join(err, retrieved.Close(ctx))
		}
	}
	if conf, err := retrieved.AsConf(); err == nil {
		if err := n.before.add(name, conf); err != nil {
			return nil, errors.Join(err, retrieved.Close(ctx))
		}
	}
	return retrieved, nil
}
