// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"time"

	"github.com/modtap/modtap/internal/duration"
)

// HeavyHittersConfig bounds the series of goproxy.module.requests,
// goproxy.module.transferred and goproxy.requests.
type HeavyHittersConfig struct {
	// Modules is how many modules, the heaviest, have series of their own; the rest
	// is counted as _other. Zero: all are. Default: 100.
	Modules int `mapstructure:"modules"`
	// Clients is the same for clients. Default: 100.
	Clients int `mapstructure:"clients"`
	// IdleExpiry is how long a series stays without a count before it leaves room
	// for another. Default: 1h.
	IdleExpiry time.Duration `mapstructure:"idle_expiry"`
}

// maxHitters keeps a metric below the series that it may have.
const maxHitters = 10_000

func (h *HeavyHittersConfig) check() error {
	var errs []error
	for _, n := range []struct {
		key   string
		value int
	}{{"modules", h.Modules}, {"clients", h.Clients}} {
		if n.value < 0 || n.value > maxHitters {
			errs = append(errs, fmt.Errorf("heavy_hitters::%s: %d is no number between 0 and %d", n.key, n.value, maxHitters))
		}
	}
	errs = append(errs, duration.RequireAll("1h", duration.Key{Name: "heavy_hitters::idle_expiry", Value: h.IdleExpiry}))
	return errors.Join(errs...)
}
