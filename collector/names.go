// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/internal/tap/instance"
)

// claimNames returns an error for the first receiver in use that observes a proxy of a
// name which another one has: it wouldn't start beside that one.
func claimNames(cfg *otelcol.Config) error {
	names, in := new(instance.Names), used(cfg, "receivers")
	for _, id := range slices.SortedFunc(maps.Keys(cfg.Receivers), byName) {
		named, ok := cfg.Receivers[id].(interface {
			Claim(in *instance.Names, id component.ID) error
		})
		if !ok || !in[id] {
			continue
		}
		if err := named.Claim(names, id); err != nil {
			return fmt.Errorf("receivers::%s: %w", id, err)
		}
	}
	return nil
}
