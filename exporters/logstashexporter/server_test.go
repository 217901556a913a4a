// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-lumber/lj"
	"github.com/elastic/go-lumber/log"
	v2 "github.com/elastic/go-lumber/server/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
)

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
func (silent) Print(...any)          {}

func init() { log.Logger = silent{} }

// logstash is go-lumber's server with the store that a Logstash would write to.
type logstash struct {
	address string
	server  *v2.Server
	done    sync.WaitGroup
	closing sync.Once

	mu      sync.Mutex
	windows [][]string     // The ids of each window, as it came.
	stored  map[string]int // How often each id came in a window that was acknowledged.
}

// acknowledge is called for each window, counted from 0, and returns when it is
// to be acknowledged; false: never.
type acknowledge func(window int) bool

func always(int) bool { return true }

func startLogstash(t *testing.T, address string, ack acknowledge, options ...v2.Option) *logstash {
	t.Helper()
	return serveLogstash(t, listen(t, address), ack, options...)
}

func serveLogstash(t *testing.T, listener net.Listener, ack acknowledge, options ...v2.Option) *logstash {
	t.Helper()
	server, err := v2.NewWithListener(listener, options...)
	require.NoError(t, err)
	l := &logstash{address: listener.Addr().String(), server: server, stored: make(map[string]int)}
	l.done.Go(func() {
		for batch := range server.ReceiveChan() {
			l.receive(batch, ack)
		}
	})
	t.Cleanup(l.kill)
	return l
}

func (l *logstash) receive(batch *lj.Batch, ack acknowledge) {
	var ids []string
	for _, event := range batch.Events {
		metadata, _ := event.(map[string]any)["@metadata"].(map[string]any)
		id, _ := metadata["_id"].(string)
		ids = append(ids, id)
	}
	l.mu.Lock()
	window := len(l.windows)
	l.windows = append(l.windows, ids)
	l.mu.Unlock()
	if !ack(window) {
		return
	}
	l.mu.Lock()
	for _, id := range ids {
		l.stored[id]++
	}
	l.mu.Unlock()
	batch.ACK()
}

// kill closes the listener and every connection.
func (l *logstash) kill() {
	l.closing.Do(func() {
		_ = l.server.Close() // It complains of a listener that is closed.
		l.done.Wait()
	})
}

func (l *logstash) received() [][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.windows)
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var listener net.Listener
	require.Eventually(t, func() (ok bool) {
		var err error
		listener, err = net.Listen("tcp", address)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return listener
}

func tlsListener(t *testing.T, certificate tls.Certificate) net.Listener {
	t.Helper()
	return tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{certificate}})
}

func settings() exporter.Settings {
	set := exportertest.NewNopSettings(componentType)
	set.ID = component.NewIDWithName(componentType, "test")
	return set
}

// direct is without queue and retry: an error comes back at once.
func direct(hosts ...string) *Config {
	cfg := retrying(hosts...)
	cfg.RetryConfig.Enabled = false
	return cfg
}

// retrying is without queue: it returns when all is acknowledged.
func retrying(hosts ...string) *Config {
	cfg := createDefaultConfig().(*Config)
	cfg.Hosts = hosts
	cfg.Timeout = 2 * time.Second
	cfg.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	cfg.RetryConfig.InitialInterval = 10 * time.Millisecond
	cfg.RetryConfig.MaxInterval = 50 * time.Millisecond
	return cfg
}

// statusHost keeps the status that a component reports.
type statusHost struct {
	component.Host
	mu     sync.Mutex
	events []componentstatus.Status
}

func (h *statusHost) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event.Status())
}

func (h *statusHost) reported() []componentstatus.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

func newHost() *statusHost { return &statusHost{Host: componenttest.NewNopHost()} }

func started(t testing.TB, cfg *Config, host component.Host) exporter.Logs {
	t.Helper()
	logs, err := NewFactory().CreateLogs(context.Background(), settings(), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(context.Background(), host))
	t.Cleanup(func() { assert.NoError(t, logs.Shutdown(context.Background())) })
	return logs
}
