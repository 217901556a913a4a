// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"

	"github.com/modtap/modtap/internal/accept"
	"github.com/modtap/modtap/internal/certificate"
	"github.com/modtap/modtap/internal/frontdoor"
)

// health is the extension.
type health struct {
	cfg      *Config
	id       component.ID
	set      component.TelemetrySettings
	announce func(what, where, note string)

	faults  faults
	since   atomic.Pointer[time.Time] // from when every component is started until the stop begins; else nil
	server  *http.Server
	serving sync.WaitGroup
	stopped context.CancelFunc // ends what serves beside the server
}

var (
	_ extension.Extension                   = (*health)(nil)
	_ extensioncapabilities.PipelineWatcher = (*health)(nil)
	_ componentstatus.Watcher               = (*health)(nil)
)

func newHealth(cfg *Config, set extension.Settings, announce func(what, where, note string)) *health {
	return &health{cfg: cfg, id: set.ID, set: set.TelemetrySettings, announce: announce}
}

// Start listens.
func (h *health) Start(ctx context.Context, host component.Host) error {
	report := func(fault error) {
		event := componentstatus.NewEvent(componentstatus.StatusOK)
		if fault != nil {
			event = componentstatus.NewRecoverableErrorEvent(fault)
		}
		componentstatus.ReportStatus(host, event)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stopped = stop
	listener, err := h.listen(ctx, watching, report)
	if err != nil {
		stop()
		return err
	}
	door := frontdoor.New(listener.Addr(), h.cfg.AllowedHosts)
	if h.server, err = h.cfg.HTTP.ToServer(ctx, host.GetExtensions(), h.set, door.Handler(h)); err != nil {
		stop()
		h.serving.Wait()
		return errors.Join(err, listener.Close())
	}
	h.serving.Go(func() {
		if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("health: %w", err)))
		}
	})
	scheme := "http"
	if h.cfg.HTTP.TLS.HasValue() {
		scheme = "https"
	}
	h.announce("health", scheme+"://"+listener.Addr().String(), "")
	return nil
}

// listen opens the listener. Its certificate is read again until watching ends.
func (h *health) listen(ctx, watching context.Context, report func(error)) (net.Listener, error) {
	plain := h.cfg.HTTP
	plain.TLS = configoptional.None[configtls.ServerConfig]() // whose own reading fails handshakes while a pair is renewed
	listener, err := plain.ToListener(ctx)                    //nolint:forbidigo // it is watched in what follows
	if err != nil {
		return nil, err
	}
	listener = accept.Watch(listener, h.set.Logger, report)
	if !h.cfg.HTTP.TLS.HasValue() {
		return listener, nil
	}
	shown, config, err := certificate.New(ctx, h.cfg.HTTP.TLS.Get(), h.set.Logger, report)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("extensions::%s::tls: %w", h.id, err), listener.Close())
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	h.serving.Go(func() { shown.Watch(watching) })
	return tls.NewListener(listener, config), nil
}

// Shutdown closes the listener and the connections; a prober asks again.
func (h *health) Shutdown(context.Context) error {
	if h.server == nil {
		return nil
	}
	err := h.server.Close()
	h.stopped()
	h.serving.Wait()
	return err
}

// Ready is called when every component has started.
func (h *health) Ready() error {
	now := time.Now()
	h.since.Store(&now)
	return nil
}

// NotReady is called before the first component is stopped.
func (h *health) NotReady() error {
	h.since.Store(nil)
	return nil
}

// ComponentStatusChanged is called for each report of each component.
func (h *health) ComponentStatusChanged(source *componentstatus.InstanceID, event *componentstatus.Event) {
	h.faults.changed(source, event)
}

// alive answers as upstream's health_check does: by the start and the stop alone.
func (h *health) alive(w http.ResponseWriter) {
	since := h.since.Load()
	if since == nil {
		answer(w, http.StatusServiceUnavailable, body{Status: "Server not available"})
		return
	}
	answer(w, http.StatusOK, body{
		Status: "Server available", UpSince: since.UTC(), Uptime: time.Since(*since).Round(time.Millisecond).String(),
	})
}

// ready tells whether requests are served. What is behind the pipelines has no part in it: traffic flows without.
func (h *health) ready(w http.ResponseWriter) {
	switch {
	case h.since.Load() == nil:
		answer(w, http.StatusServiceUnavailable, body{Status: "starting or stopping"})
	case h.faults.stopsTraffic():
		answer(w, http.StatusServiceUnavailable, body{Status: "not serving", Faults: h.faults.all()})
	default:
		answer(w, http.StatusOK, body{Status: "ready"})
	}
}

// healthy names what is broken.
func (h *health) healthy(w http.ResponseWriter) {
	if all := h.faults.all(); len(all) > 0 {
		answer(w, http.StatusServiceUnavailable, body{Status: "unhealthy", Faults: all})
		return
	}
	answer(w, http.StatusOK, body{Status: "healthy"})
}

// A body is what is answered. UpSince and Uptime are named as in upstream's health_check.
type body struct {
	Status  string    `json:"status"`
	UpSince time.Time `json:"upSince,omitzero"`
	Uptime  string    `json:"uptime,omitempty"`
	Faults  []fault   `json:"faults,omitempty"`
	// Paths are those that there are, where another one was asked for.
	Paths []string `json:"paths,omitempty"`
}

// answer writes a body that people can read too.
func answer(w http.ResponseWriter, status int, b body) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(b) // the prober left
}
