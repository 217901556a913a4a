// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/modtap/modtap/internal/redact"
)

// A fault is what one component last reported of itself, if it was an error.
type fault struct {
	// Component is named by its key in the configuration: exporters::otlp_http/jaeger.
	Component string `json:"component"`
	// Pipelines has the component: traces/jaeger. It is empty for an extension.
	Pipelines []string `json:"pipelines,omitempty"`
	// Since is when the component reported an error first, without having reported to be well in between.
	Since time.Time `json:"since"`
	// Error is the last one that it reported.
	Error string `json:"error"`

	lasting bool // the component said that it won't recover
	kind    component.Kind
}

// faults are those of all components. The zero value has none.
type faults struct {
	checks []check // set before the start

	mu   sync.Mutex
	byID map[*componentstatus.InstanceID]fault
}

// changed takes in what a component reported.
func (f *faults) changed(source *componentstatus.InstanceID, event *componentstatus.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !componentstatus.StatusIsError(event.Status()) {
		delete(f.byID, source)
		return
	}
	now, known := f.byID[source]
	if !known {
		now = fault{Component: key(source), kind: source.Kind(), Since: event.Timestamp().UTC()}
		source.AllPipelineIDs(func(id pipeline.ID) bool {
			now.Pipelines = append(now.Pipelines, id.String())
			return true
		})
		slices.Sort(now.Pipelines)
	}
	now.Error = "no reason given"
	if err := event.Err(); err != nil {
		now.Error = redact.Line(err.Error())
	}
	now.lasting = event.Status() != componentstatus.StatusRecoverableError
	if f.byID == nil {
		f.byID = make(map[*componentstatus.InstanceID]fault)
	}
	f.byID[source] = now
}

// all returns the faults, the oldest first.
func (f *faults) all() []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]fault, 0, len(f.byID))
	for _, one := range f.byID {
		all = append(all, one)
	}
	for _, c := range f.checks {
		if since, err := c.fault(); err != nil {
			all = append(all, fault{Component: c.part, Since: since.UTC(), Error: err.Error()})
		}
	}
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Component, b.Component), slices.Compare(a.Pipelines, b.Pipelines))
	})
	return all
}

// stopsTraffic reports whether a receiver is broken for good: one of its listeners serves no more.
func (f *faults) stopsTraffic() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.byID {
		if one.kind == component.KindReceiver && one.lasting {
			return true
		}
	}
	return false
}

// key returns the component's key in the configuration.
func key(id *componentstatus.InstanceID) string {
	return strings.ToLower(id.Kind().String()) + "s::" + id.ComponentID().String()
}
