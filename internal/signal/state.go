// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"
	"slices"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/heavy"
)

var (
	_ encoding.BinaryMarshaler   = (*Metrics)(nil)
	_ encoding.BinaryUnmarshaler = (*Metrics)(nil)
)

// metricsState are Metrics as they are stored, by the metrics' names.
type metricsState struct {
	Start            exchange.Time
	Histograms       map[string]familyState[histogram]
	Counters         map[string]familyState[int64]
	Modules, Clients heavy.State
	Toolchains       heavy.State
	// Shape is [stateShape]; older states have none.
	Shape int
}

// stateShape is 1 since upstreams choose no value of server.address any more.
const stateShape = 1

// mostAddressed is how many series a metric with server.address has at most where
// nobody filled it up.
const mostAddressed = 500

type familyState[P any] struct {
	Attributes []string
	Boundaries []float64
	Series     []seriesState[P]
}

type seriesState[P any] struct {
	Key      string
	Values   []string
	Overflow bool
	Point    P
}

// MarshalBinary returns all that m has counted.
func (m *Metrics) MarshalBinary() ([]byte, error) {
	state := metricsState{
		Start:      m.start,
		Histograms: saveFamilies(m.histograms()), Counters: saveFamilies(m.counters()),
		Modules: m.hitters.modules.State(), Clients: m.hitters.clients.State(), Toolchains: m.hitters.toolchains.State(), Shape: stateShape,
	}
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(state)
	return out.Bytes(), err
}

// UnmarshalBinary goes on with what other Metrics have counted, since their start.
// It is called before the first exchange is added. A metric that is declared
// otherwise by now begins anew, as does one that a Modtap filled up which let
// upstreams choose addresses. Its error says that data is no such thing.
func (m *Metrics) UnmarshalBinary(data []byte) error {
	var state metricsState
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&state); err != nil {
		return fmt.Errorf("state of the metrics: %w", err)
	}
	m.start = state.Start
	restoreFamilies(m.histograms(), state.Histograms, state.Shape)
	restoreFamilies(m.counters(), state.Counters, state.Shape)
	h := m.hitters.settings
	m.hitters.modules = heavy.Restore(h.of(h.Modules), state.Modules)
	m.hitters.clients = heavy.Restore(h.of(h.Clients), state.Clients)
	m.hitters.toolchains = heavy.Restore(h.of(maxToolchains), state.Toolchains)
	return nil
}

func saveFamilies[P any](families []*family[P]) map[string]familyState[P] {
	out := make(map[string]familyState[P], len(families))
	for _, f := range families {
		state := familyState[P]{Attributes: f.metric.Attributes, Boundaries: f.metric.Boundaries}
		for key, s := range f.series {
			state.Series = append(state.Series, seriesState[P]{Key: key, Values: s.values, Overflow: s.values == nil, Point: s.point})
		}
		out[f.metric.Name] = state
	}
	return out
}

func restoreFamilies[P any](families []*family[P], from map[string]familyState[P], shape int) {
	for _, f := range families {
		state := from[f.metric.Name]
		if !slices.Equal(state.Attributes, f.metric.Attributes) || !slices.Equal(state.Boundaries, f.metric.Boundaries) {
			continue
		}
		if shape == 0 && len(state.Series) > mostAddressed && slices.Contains(state.Attributes, attrServerAddress) {
			continue // It was filled up with what upstreams said, and would be for ever.
		}
		for _, s := range state.Series {
			values := s.Values
			if values == nil && !s.Overflow {
				values = []string{}
			}
			if values != nil && len(values) != len(f.metric.Attributes) {
				continue
			}
			f.series[s.Key] = &series[P]{values: values, point: s.Point}
		}
	}
}
