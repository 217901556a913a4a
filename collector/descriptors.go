// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/otelcol"
)

const (
	// descriptorsEvery is the time between two looks at whether a file can be opened, and
	// descriptorsFor how long a failure stays a fault: descriptors come back one at a time.
	descriptorsEvery = 5 * time.Second
	descriptorsFor   = 3 * descriptorsEvery
	descriptorsSaid  = time.Minute
)

// descriptors knows whether this process can open files. Our own listeners tell that they
// accept nothing (internal/accept); those of upstream's receivers are made by upstream,
// and one of gRPC doesn't even log it.
type descriptors struct {
	open func() error

	mu          sync.Mutex
	since, last time.Time // of failures; zero: there was none
	cause       error
}

// openFiles are those of this process.
var openFiles = &descriptors{open: func() error {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	return f.Close()
}}

// Fault is a check of the health extension.
func (d *descriptors) Fault() (since time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() || time.Since(d.last) >= descriptorsFor {
		return time.Time{}, nil
	}
	return d.since, d.cause
}

// watch looks until ctx ends, if the configuration has a listener that isn't ours.
func (d *descriptors) watch(ctx context.Context, cfg *otelcol.Config, warnings io.Writer) {
	foreign := false
	for id := range used(cfg, "receivers") {
		foreign = foreign || id.Type().String() != "goproxy"
	}
	if !foreign {
		return
	}
	tick := time.NewTicker(descriptorsEvery)
	defer tick.Stop()
	var said time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if d.look() && time.Since(said) >= descriptorsSaid {
			said = time.Now()
			_, err := d.Fault()
			warn(warnings, err.Error())
		}
	}
}

// look reports whether no file could be opened.
func (d *descriptors) look() bool {
	err := d.open()
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.last.IsZero() || now.Sub(d.last) >= descriptorsFor {
		d.since = now
	}
	d.last = now
	d.cause = fmt.Errorf("no file can be opened (%s), so no listener accepts a connection; raise the limit (ulimit -n, LimitNOFILE)", cause(err))
	return true
}
