// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/signal"
	"github.com/modtap/modtap/internal/tap"
)

// Settings are what an instance has from its receiver, beside the user's [Config]. The
// zero value is that of a receiver which sees clients only, live.
type Settings struct {
	// Clock is what makes time pass: the wall's for live traffic, the watermark of what
	// was read for a log.
	Clock tap.Clock
	// Join says what may be concluded from the egress. Its Mark is the instance's to set.
	Join cache.JoinSettings
	// Readers tell what is read live, for each snapshot of the metrics.
	Readers []signal.Reader
}

// Instance is the one of a component, while that runs: its folder and identity, its
// build sessions, and the engine that takes the facts.
type Instance struct {
	*tap.Engine
	// ID is the service.instance.id. It is kept in Dir.
	ID string
	// Dir is the component's folder, for what else the receiver keeps.
	Dir string
	// Sessions choose the build session of a request when it arrives.
	Sessions *session.Table

	policy   Identity
	key      []byte // a secret that is kept in Dir
	standing standing
}

// Token is what the instance calls itself in Via (RFC 9110, section 7.6.3) and, at the
// egress, in Cache-Status.
func (in *Instance) Token(side exchange.Side) string {
	return fmt.Sprintf("modtap-%s-%s", side, in.ID)
}

// Reporter returns what takes the fault of a part of the receiver, one that may pass;
// nil: it has none any more. The collector's health knows the component by it.
func (in *Instance) Reporter(part string) func(error) { return in.standing.of(part) }

// open opens the instance of a component. The engine doesn't run yet: [tap.Engine.Start]
// is the receiver's to call, once all that can fail is open.
func open(set receiver.Settings, cfg *Config, to tap.Consumers, host component.Host, s Settings) (*Instance, error) {
	f, err := cfg.openFolder(set.ID)
	if err != nil {
		return nil, err
	}
	in := &Instance{
		ID: f.id, Dir: f.dir, policy: cfg.ClientIdentity, key: f.key,
		Sessions: session.NewTable(cfg.Sessions.settings(), f.key),
		standing: standing{host: host},
	}
	kept, err := journal.Open(filepath.Join(in.Dir, journalDir), int64(cfg.Journal.MaxSize), set.Logger)
	if err != nil {
		return nil, cfg.dirError(err)
	}
	s.Join.Mark = in.Token(exchange.Egress)
	machine, _ := os.Hostname() // Empty: documents have no host.name.
	in.Engine, err = tap.New(tap.Settings{
		Resource: signal.Resource{
			ServiceName: cfg.ServiceName, InstanceID: in.ID, Environment: cfg.Environment,
			Version: set.BuildInfo.Version, Host: machine,
		},
		Clock:        s.Clock,
		Settle:       cfg.Settle,
		Hold:         cfg.Hold,
		Buckets:      cfg.Histograms,
		Journal:      kept,
		Dir:          in.Dir,
		Table:        in.Sessions,
		Report:       func(fault error) { in.standing.report("what is kept", fault) },
		Join:         s.Join,
		Sessions:     cfg.Sessions.settings(),
		HeavyHitters: signal.HeavyHitters(cfg.HeavyHitters),
		Readers:      s.Readers,
		Consumers:    to,
		Receiver:     set.ID,
		Telemetry:    set.TelemetrySettings,
	})
	if err != nil {
		return nil, errors.Join(cfg.dirError(err), kept.Close())
	}
	return in, nil
}

// emitTimeout is how long a stop waits for exporters to accept what has ended. What
// they refuse until then isn't lost: the next run emits it.
const emitTimeout = 5 * time.Second

// close emits what has ended. Nothing may be captured any more.
func (in *Instance) close(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, emitTimeout)
	defer cancel()
	in.Shutdown(bounded)
}
