// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// health tells the host when sending begins to fail, and when it works again.
type health struct {
	host component.Host

	mu      sync.Mutex
	failing bool
}

func newHealth(host component.Host) *health { return &health{host: host} }

func (h *health) failed(err error) { h.turn(true, componentstatus.NewRecoverableErrorEvent(err)) }

func (h *health) worked() { h.turn(false, componentstatus.NewEvent(componentstatus.StatusOK)) }

func (h *health) turn(failing bool, event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing != failing {
		h.failing = failing
		componentstatus.ReportStatus(h.host, event)
	}
}
