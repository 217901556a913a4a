// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	ownID   = "0102030405060708"
)

func TestPropagation(t *testing.T) {
	single := http.Header{"B3": {traceID + "-" + spanID + "-1"}}
	multi := http.Header{"X-B3-Traceid": {traceID}, "X-B3-Spanid": {spanID}, "X-B3-Sampled": {"1"}, "X-B3-Parentspanid": {"00000000000000aa"}}
	for _, c := range []struct {
		name    string
		formats []string
		in      http.Header
		none    bool // in names no parent
		out     http.Header
	}{
		{
			name: "tracecontext", formats: []string{"tracecontext"},
			in:  http.Header{"Traceparent": {"00-" + traceID + "-" + spanID + "-01"}, "Tracestate": {"a=1,modtap=root"}},
			out: http.Header{"Traceparent": {"00-" + traceID + "-" + ownID + "-01"}, "Tracestate": {"a=1,modtap=root"}},
		},
		{name: "tracecontext, malformed", formats: []string{"tracecontext"}, none: true, in: http.Header{"Traceparent": {"00-" + traceID}, "Tracestate": {"a=1"}}},
		{name: "tracecontext, zero", formats: []string{"tracecontext"}, none: true, in: http.Header{"Traceparent": {"00-00000000000000000000000000000000-" + spanID + "-01"}}},
		{name: "tracecontext, not asked for", formats: []string{"b3"}, none: true, in: http.Header{"Traceparent": {"00-" + traceID + "-" + spanID + "-01"}}},
		{name: "b3", formats: []string{"b3"}, in: single, out: http.Header{"B3": {traceID + "-" + ownID + "-1"}}},
		{name: "b3 out of several headers", formats: []string{"b3"}, in: multi, out: http.Header{"B3": {traceID + "-" + ownID + "-1"}}},
		{name: "b3, malformed", formats: []string{"b3"}, none: true, in: http.Header{"B3": {"x-y-z"}}},
		{name: "b3multi", formats: []string{"b3multi"}, in: multi, out: http.Header{"X-B3-Traceid": {traceID}, "X-B3-Spanid": {ownID}, "X-B3-Sampled": {"1"}}},
		{name: "b3multi out of one header", formats: []string{"b3multi"}, in: single, out: http.Header{"X-B3-Traceid": {traceID}, "X-B3-Spanid": {ownID}, "X-B3-Sampled": {"1"}}},
		{name: "b3multi, malformed", formats: []string{"b3multi"}, none: true, in: http.Header{"X-B3-Traceid": {traceID}, "X-B3-Spanid": {"short"}}},
		{name: "jaeger", formats: []string{"jaeger"}, in: http.Header{"Uber-Trace-Id": {traceID + ":" + spanID + ":0:1"}}, out: http.Header{"Uber-Trace-Id": {traceID + ":" + ownID + ":0:1"}}},
		{name: "jaeger, malformed", formats: []string{"jaeger"}, none: true, in: http.Header{"Uber-Trace-Id": {"1:2"}}},
		{
			name: "several", formats: []string{"tracecontext", "jaeger"}, in: http.Header{"Uber-Trace-Id": {traceID + ":" + spanID + ":0:1"}},
			out: http.Header{"Traceparent": {"00-" + traceID + "-" + ownID + "-01"}, "Uber-Trace-Id": {traceID + ":" + ownID + ":0:1"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPropagator(c.formats)
			require.NoError(t, err)
			span := p.extract(t.Context(), c.in)
			if c.none {
				assert.Equal(t, exchange.Span{}, span)
				return
			}
			assert.Equal(t, byte(1), span.Flags)
			span.SpanID = exchange.SpanID{1, 2, 3, 4, 5, 6, 7, 8}
			h := c.in.Clone()
			p.inject(t.Context(), h, span)
			assert.Equal(t, c.out, h, "nothing of the client's stays")
		})
	}
}

func TestTraceRunsThrough(t *testing.T) {
	origin := rawOrigin(t, plain)
	cfg := testConfig(t, origin.url)
	cfg.Propagators = []string{"b3"}
	r := startReceiver(t, cfg)
	ask(t, r.url, get(zip, "B3: "+traceID+"-"+spanID+"-1"))
	got := r.exchanges(t)[0]
	require.Len(t, got.client, 1)
	assert.Equal(t, traceID, got.server.TraceID().String())
	assert.Equal(t, spanID, got.server.ParentSpanID().String())
	assert.Equal(t, []string{traceID + "-" + got.client[0].SpanID().String() + "-1"}, origin.seen()[0].header["B3"])
	assert.NotContains(t, origin.seen()[0].header, "Traceparent")
}
