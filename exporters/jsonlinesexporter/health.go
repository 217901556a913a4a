// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// health reports the component's status when it changes.
type health struct {
	host   component.Host
	failed bool
}

// update reports a fault that may pass, or that it has passed.
func (h *health) update(err error) {
	if h.failed == (err != nil) {
		return
	}
	h.failed = err != nil
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if err != nil {
		event = componentstatus.NewRecoverableErrorEvent(err)
	}
	componentstatus.ReportStatus(h.host, event)
}
