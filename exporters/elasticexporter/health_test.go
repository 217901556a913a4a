// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// statusHost is a host that listens to the status of its component.
type statusHost struct {
	mu     sync.Mutex
	events []string
}

var (
	_ component.Host           = (*statusHost)(nil)
	_ componentstatus.Reporter = (*statusHost)(nil)
)

func (*statusHost) GetExtensions() map[component.ID]component.Component { return nil }

func (h *statusHost) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := event.Status().String()
	if event.Err() != nil {
		text += ": " + event.Err().Error()
	}
	h.events = append(h.events, text)
}

func (h *statusHost) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.events...)
}

func TestAFailingBackendIsReportedUntilItWorks(t *testing.T) {
	c := newCluster(t)
	c.whole = func(bulk int) int {
		if bulk >= 1 && bulk <= 3 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	busy := true
	c.item = func(id string) itemFate {
		if id == "busy" && busy {
			return itemFate{http.StatusTooManyRequests, "es_rejected_execution_exception", "queue full"}
		}
		return itemFate{status: http.StatusCreated}
	}
	logs, err := NewFactory().CreateLogs(t.Context(), settings(), direct(c.URL))
	require.NoError(t, err)
	host := &statusHost{}
	require.NoError(t, logs.Start(t.Context(), host))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	assert.Empty(t, host.seen(), "the collector says OK at the start")
	for range 3 {
		require.Error(t, logs.ConsumeLogs(t.Context(), records("2")))
	}
	const failing = "StatusRecoverableError: elastic: Error 503 (Service Unavailable)"
	assert.Equal(t, []string{failing}, host.seen(), "once")
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("2")))
	assert.Equal(t, []string{failing, "StatusOK"}, host.seen())
	require.Error(t, logs.ConsumeLogs(t.Context(), records("3", "busy")))
	busy = false
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("busy")))
	assert.Equal(t, []string{failing, "StatusOK", "StatusRecoverableError: 1 of 2 documents not taken for now: es_rejected_execution_exception: queue full: the cause", "StatusOK"}, host.seen())

	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Len(t, host.seen(), 4)
}

func TestAStopIsNoFaultOfTheBackend(t *testing.T) {
	e, err := newLogsExporter(direct("http://localhost:9200"), settings())
	require.NoError(t, err)
	host := &statusHost{}
	require.NoError(t, e.start(t.Context(), host))
	e.stopWithin(time.Hour)()
	require.NoError(t, e.shutdown(t.Context()))
	require.Error(t, e.pushLogs(t.Context(), records("1")), "its life has ended")
	assert.Empty(t, host.seen())
}
