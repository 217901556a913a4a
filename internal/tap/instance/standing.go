// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// standing is how the receiver is, for the collector and through it for the health
// endpoint. Several parts report; that one is well says nothing of the others.
type standing struct {
	host component.Host

	mu     sync.Mutex
	faults map[string]error
}

// report takes the fault of a part, one that may pass; nil: it has none any more.
func (s *standing) report(part string, fault error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults == nil {
		s.faults = make(map[string]error)
	}
	delete(s.faults, part)
	if fault != nil {
		s.faults[part] = fault
	}
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if len(s.faults) > 0 {
		var all []error
		for _, name := range slices.Sorted(maps.Keys(s.faults)) {
			all = append(all, s.faults[name])
		}
		event = componentstatus.NewRecoverableErrorEvent(errors.Join(all...))
	}
	componentstatus.ReportStatus(s.host, event)
}

// of returns what a part reports to, with the part's name in front.
func (s *standing) of(part string) func(error) {
	return func(fault error) {
		if fault != nil {
			fault = fmt.Errorf("%s: %w", part, fault)
		}
		s.report(part, fault)
	}
}
