// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configtls"
)

// loader is what [configtls.ClientConfig] and [configtls.ServerConfig] are.
type loader interface {
	LoadTLSConfig(ctx context.Context) (*tls.Config, error)
}

var (
	_ loader = (*configtls.ClientConfig)(nil)
	_ loader = (*configtls.ServerConfig)(nil)
)

// references looks at what the configuration of a component that isn't ours refers to,
// anywhere below it: certificates, keys and extensions.
type references struct {
	extensions []component.ID // those in use
}

// check returns the first reference that leads nowhere, after its key or in upstream's
// words.
func (r references) check(ctx context.Context, key []string, v reflect.Value) error {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !v.CanAddr() {
		return nil
	}
	switch part := v.Addr().Interface().(type) {
	case *component.ID:
		return r.find(key[len(key)-1], *part)
	case loader:
		if _, err := part.LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(key, "::"), err)
		}
		return nil
	case interface{ HasValue() bool }: // [configoptional.Optional], whatever it is of.
		if !part.HasValue() {
			return nil
		}
		value := v.FieldByName("value")
		return r.check(ctx, key, reflect.NewAt(value.Type(), value.Addr().UnsafePointer()))
	}
	for field, at := range v.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		below := key
		if name != "" && !strings.Contains(options, "squash") {
			below = append(slices.Clip(key), name)
		}
		if err := r.check(ctx, below, at); err != nil {
			return err
		}
	}
	return nil
}

// find says in exporterhelper's and configauth's words that there is no such extension.
func (r references) find(key string, id component.ID) error {
	switch {
	case id == component.ID{} || slices.Contains(r.extensions, id):
		return nil
	case key == "storage":
		return errors.New("no storage client extension found")
	case key == "authenticator":
		return fmt.Errorf("failed to resolve authenticator %q: authenticator not found", id)
	}
	return nil
}
