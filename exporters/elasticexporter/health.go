// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// health reports to the collector when the backend fails and when it works
// again, so that a health extension can name it.
type health struct {
	host component.Host

	mu       sync.Mutex
	failing  bool
	stopping bool // What fails from here on is the stop's doing.
}

func (h *health) report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping || h.failing == (err != nil) {
		return
	}
	h.failing = err != nil
	if err != nil {
		componentstatus.ReportStatus(h.host, componentstatus.NewRecoverableErrorEvent(err))
		return
	}
	componentstatus.ReportStatus(h.host, componentstatus.NewEvent(componentstatus.StatusOK))
}

func (h *health) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
}
