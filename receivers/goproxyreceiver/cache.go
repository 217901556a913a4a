// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"fmt"
	"time"

	"github.com/modtap/modtap/internal/bytesize"
	"github.com/modtap/modtap/internal/duration"
	"github.com/modtap/modtap/internal/signal"
)

// CacheConfig is the embedded proxy's cache.
type CacheConfig struct {
	// MaxSize is how many bytes of the disk files take, their directories and what is
	// being fetched included; beyond it the least recently used files are evicted,
	// exact to a minute. Zero: no bound. Default: 10GiB.
	MaxSize bytesize.Size `mapstructure:"max_size"`
	// ListTTL is how long the answer to a list, @latest or a query such as a branch
	// is served without asking upstream again. Default: 0, it is asked each time.
	ListTTL time.Duration `mapstructure:"list_ttl"`
}

func (c *CacheConfig) validate() error {
	var errs []error
	if c.MaxSize < 0 {
		errs = append(errs, fmt.Errorf("cache::max_size: %d is no size in bytes; write for example 10GiB, or 0 for no bound", c.MaxSize))
	}
	errs = append(errs, duration.CheckAll(duration.Key{Name: "cache::list_ttl", Value: c.ListTTL}))
	return errors.Join(errs...)
}

// readCache is a [signal.Reader] of the embedded proxy's cache. It has nothing to
// say as long as what was there at the start isn't counted yet.
func (r *goproxyReceiver) readCache() []signal.Reading {
	if r.usage == nil {
		return nil
	}
	u, known := r.usage()
	if !known {
		return nil
	}
	return []signal.Reading{
		{Metric: &signal.CacheSize, Value: u.Size},
		{Metric: &signal.CacheFiles, Value: u.Files},
		{Metric: &signal.CacheEvictions, Value: u.Evictions},
	}
}
