// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pipeline"
)

const (
	// patience is how long a backend may take to answer until it is reported as a fault, before its time-out:
	// a fault is to be known within ten seconds.
	patience = 5 * time.Second
	// glance is the time between two looks for attempts that take longer.
	glance = time.Second
)

// A watch is kept on one exporter of one signal.
type watch struct {
	meters *meters
	host   component.Host

	mu      sync.Mutex
	running map[*attempt]struct{}
	started bool
	faulty  bool
	failed  time.Time // when an attempt last failed, or something in it was refused
	said    time.Time // when a refusal of a part was last logged
	stop    chan struct{}
	ended   sync.WaitGroup
}

// An attempt is under way.
type attempt struct {
	begun time.Time
}

// newWatch puts the watch into the settings that the exporter will be made with.
func newWatch(set *exporter.Settings, signal pipeline.Signal) (*watch, error) {
	m, err := newMeters(set.TelemetrySettings, set.ID, signal)
	if err != nil {
		return nil, err
	}
	w := &watch{meters: m, running: make(map[*attempt]struct{})}
	set.MeterProvider = meterProvider{set.MeterProvider}
	set.TracerProvider = provider{TracerProvider: set.TracerProvider, watch: w}
	set.Logger = watchLog(set.Logger, w)
	return w, nil
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started, w.stop = true, make(chan struct{})
	stop := w.stop
	w.ended.Go(func() {
		tick := time.NewTicker(glance)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				w.look(now)
			case <-stop:
				return
			}
		}
	})
}

func (w *watch) end() {
	w.mu.Lock()
	was := w.started
	w.started = false
	if was {
		close(w.stop)
	}
	w.mu.Unlock()
	w.ended.Wait()
}

func (w *watch) attemptBegins(now time.Time) *attempt {
	a := &attempt{begun: now}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[a] = struct{}{}
	return a
}

func (w *watch) attemptEnds(ctx context.Context, a *attempt, failure string) {
	if a == nil {
		return
	}
	now := time.Now()
	w.meters.attempted(ctx, now.Sub(a.begun), failure != "")
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, a)
	switch {
	case failure != "":
		w.failed = now
		w.report(errors.New(failure))
	case w.faulty && a.begun.After(w.failed) && w.slowest(now) < patience:
		// An older attempt that succeeded late says nothing of the backend now.
		w.report(nil)
	}
}

// look reports a backend that leaves an attempt without an answer.
func (w *watch) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slowest := w.slowest(now); slowest >= patience {
		w.report(fmt.Errorf("no answer for %v", slowest.Truncate(time.Second)))
	}
}

// slowest returns for how long the oldest attempt is under way.
func (w *watch) slowest(now time.Time) time.Duration {
	var slowest time.Duration
	for a := range w.running {
		slowest = max(slowest, now.Sub(a.begun))
	}
	return slowest
}

// report tells the collector how the exporter is; nil is well. The caller holds the lock, so that reports
// keep their order.
func (w *watch) report(err error) {
	if !w.started {
		return
	}
	w.faulty = err != nil
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if err != nil {
		event = componentstatus.NewRecoverableErrorEvent(err)
	}
	componentstatus.ReportStatus(w.host, event)
}
