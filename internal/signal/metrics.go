// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/heavy"
)

// Buckets says which buckets histograms are told with.
type Buckets string

// The values of Buckets.
const (
	BucketsBoth    Buckets = "both"
	BucketsClassic Buckets = "classic" // explicit boundaries
	BucketsNative  Buckets = "native"  // exponential
)

// UnmarshalText implements [encoding.TextUnmarshaler]. It returns an error that
// lists the values there are.
func (b *Buckets) UnmarshalText(text []byte) error {
	switch v := Buckets(text); v {
	case BucketsBoth, BucketsClassic, BucketsNative:
		*b = v
		return nil
	}
	return fmt.Errorf("unknown value %q: write both, classic or native", text)
}

// Metrics is the cumulative state of every metric. It isn't safe for
// concurrent use.
type Metrics struct {
	resource Resource
	buckets  Buckets
	start    exchange.Time

	serverDuration  *family[histogram]
	phaseDuration   *family[histogram]
	serverBodySize  *family[histogram]
	clientDuration  *family[histogram]
	clientBodySize  *family[histogram]
	sessionDuration *family[histogram]
	sessionRequests *family[histogram]
	misses          *family[int64]
	leaks           *family[int64]
	hitters         hitters
	conflicts       *family[int64]
	checksums       *family[int64]
	fallthroughs    *family[int64]
}

// NewMetrics returns empty metrics that count from start on.
func NewMetrics(resource Resource, buckets Buckets, start exchange.Time) *Metrics {
	return &Metrics{
		resource: resource, buckets: buckets, start: start,
		serverDuration:  newFamily[histogram](serverDuration),
		phaseDuration:   newFamily[histogram](phaseDuration),
		serverBodySize:  newFamily[histogram](serverBodySize),
		clientDuration:  newFamily[histogram](clientDuration),
		clientBodySize:  newFamily[histogram](clientBodySize),
		sessionDuration: newFamily[histogram](sessionDuration),
		sessionRequests: newFamily[histogram](sessionRequests),
		misses:          newFamily[int64](cacheMisses),
		leaks:           newFamily[int64](privateLeaks),
		hitters:         newHitters(DefaultHeavyHitters),
		conflicts:       newFamily[int64](evidenceConflicts),
		checksums:       newFamily[int64](checksumFailures),
		fallthroughs:    newFamily[int64](upstreamFallthroughs),
	}
}

// Add counts one exchange, or one session.
func (m *Metrics) Add(t *Told) {
	if t.Session != nil {
		m.addSession(t.Session)
		return
	}
	if t.Verdict.Conflict {
		*m.conflicts.at()++
	}
	if t.Verdict.Outcome == cache.ChecksumMismatch {
		*m.checksums.at()++
	}
	if t.Begin.Side == exchange.Ingress {
		m.addServer(t)
	}
	if t.End.Leak != "" {
		*m.leaks.at(t.End.Leak)++
	}
	for i := range t.End.Attempts {
		m.addAttempt(t, &t.End.Attempts[i])
	}
	if t.Request.Operation == goproxy.Zip && t.Begin.Method == http.MethodGet && t.End.Status == 200 {
		if version, goos, goarch, ok := t.Request.Toolchain(); ok {
			m.hitters.toolchains.Add(toolchainLabel(version, goos, goarch), "", heavy.Value{Requests: 1}, t.End.Time)
		}
	}
}

func (m *Metrics) addServer(t *Told) {
	b, e, v := t.Begin, t.End, t.Verdict
	known, _ := method(b.Method)
	operation, result, outcome := t.Request.Operation.String(), string(v.Result), string(v.Outcome)
	m.serverDuration.at(known, b.Scheme, protocolLabel(b.Protocol), t.Request.Route(), statusLabel(e.Status), errorLabel(v.ErrorType), operation, result, outcome).
		add(durationBoundaries, exemplar{Value: t.elapsed().Seconds(), At: e.Time, Span: b.Span})
	m.serverBodySize.at(known, b.Scheme, operation, result, outcome).
		add(sizeBoundaries, exemplar{Value: float64(e.BodySize), At: e.Time, Span: b.Span})
	m.addPhases(t, operation)
	m.hitters.add(t)
	if v.Result == exchange.Miss {
		*m.misses.at(operation, v.MissReason)++
	}
}

func (m *Metrics) addAttempt(t *Told, a *exchange.Attempt) {
	address, number := a.Configured()
	if a.Reason != "" {
		*m.fallthroughs.at(address, a.Reason)++
	}
	if a.Direct || a.Error == exchange.ErrorCircuitOpen || a.Error == exchange.ErrorLeakBlocked {
		return // the go command's own requests can't be seen, and nothing was sent
	}
	known, _ := method(a.Method)
	port, operation, side := strconv.Itoa(int(number)), a.Request.Operation.String(), t.hop()
	span := a.Span
	end := a.Start.Add(a.Duration)
	m.clientDuration.at(known, address, port, statusLabel(a.Status), errorLabel(attemptError(a)), operation, side).
		add(durationBoundaries, exemplar{Value: a.Duration.Seconds(), At: end, Span: span})
	if a.Status > 0 {
		m.clientBodySize.at(known, address, port, operation, side).
			add(sizeBoundaries, exemplar{Value: float64(a.BodySize), At: end, Span: span})
	}
}

// Snapshot returns all metrics as of now, with what the readers tell.
func (m *Metrics) Snapshot(now exchange.Time, readers ...Reader) pmetric.Metrics {
	out := pmetric.NewMetrics()
	rm := out.ResourceMetrics().AppendEmpty()
	m.resource.put(rm.Resource())
	start, at := timestamp(m.start), timestamp(now)

	scope := rm.ScopeMetrics().AppendEmpty()
	m.resource.putScope(scope.Scope(), scopeName)
	histograms := m.histograms()
	if m.buckets != BucketsNative {
		for _, f := range histograms {
			classic(f, start, at, scope.Metrics())
		}
	}
	for _, f := range m.counters() {
		sum(f, start, at, scope.Metrics())
	}
	m.hitters.put(start, at, scope.Metrics())
	live(readers, start, at, scope.Metrics())

	if m.buckets != BucketsClassic {
		// A scope of its own: one scope can't hold a name in two kinds.
		exp := rm.ScopeMetrics().AppendEmpty()
		m.resource.putScope(exp.Scope(), scopeName+"/exponential")
		for _, f := range histograms {
			native(f, start, at, exp.Metrics())
		}
	}
	return out
}

func (m *Metrics) histograms() []*family[histogram] {
	return []*family[histogram]{m.serverDuration, m.phaseDuration, m.serverBodySize, m.clientDuration, m.clientBodySize, m.sessionDuration, m.sessionRequests}
}

func (m *Metrics) counters() []*family[int64] {
	return []*family[int64]{m.misses, m.leaks, m.conflicts, m.checksums, m.fallthroughs}
}

// elapsed is how long the exchange took, never negative.
func (t *Told) elapsed() time.Duration { return max(0, t.End.Time.Sub(t.Begin.Time)) }

// hop says between whom the attempts of t were: to the proxy beside us, or
// away from here to an upstream.
func (t *Told) hop() string {
	if t.Begin.Side == exchange.Ingress && t.End.Cache.Embedded == "" {
		return exchange.Ingress.String()
	}
	return exchange.Egress.String()
}

// attemptError is the error.type of a client span or metric: a word, or a 4xx
// or 5xx status code.
func attemptError(a *exchange.Attempt) string {
	if a.Error == "" && a.Status >= 400 {
		return status(a.Status)
	}
	return a.Error
}

func status(code int) string {
	if code == 0 {
		return ""
	}
	return strconv.Itoa(code)
}
