// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/modtap/modtap/internal/exchange"
)

// propagator reads and writes trace context in HTTP headers.
type propagator struct {
	formats propagation.TextMapPropagator
	headers []string // of the formats, in all their spellings
}

func newPropagator(names []string) (propagator, error) {
	if len(names) == 0 {
		return propagator{}, errors.New("empty: name at least tracecontext")
	}
	formats := make([]propagation.TextMapPropagator, 0, len(names))
	var headers []string
	for _, name := range names {
		switch name {
		case "tracecontext":
			formats = append(formats, propagation.TraceContext{})
			headers = append(headers, "Traceparent", "Tracestate")
		case "b3":
			formats = append(formats, b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)))
			headers = append(headers, b3Headers...)
		case "b3multi":
			formats = append(formats, b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)))
			headers = append(headers, b3Headers...)
		case "jaeger":
			formats = append(formats, jaeger.Jaeger{})
			headers = append(headers, "Uber-Trace-Id")
		default:
			return propagator{}, fmt.Errorf("unknown value %q: write tracecontext, b3, b3multi or jaeger", name)
		}
	}
	if len(formats) == 1 {
		return propagator{formats: formats[0], headers: headers}, nil
	}
	return propagator{formats: propagation.NewCompositeTextMapPropagator(formats...), headers: headers}, nil
}

// b3Headers are read in both spellings whichever is written, so none of them may
// stay beside it.
var b3Headers = []string{"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags"}

// extract returns the span that a client named as the parent; zero if none.
func (p propagator) extract(ctx context.Context, h http.Header) exchange.Span {
	sc := trace.SpanContextFromContext(p.formats.Extract(ctx, propagation.HeaderCarrier(h)))
	if !sc.IsValid() {
		return exchange.Span{}
	}
	return exchange.Span{
		TraceID: exchange.TraceID(sc.TraceID()),
		SpanID:  exchange.SpanID(sc.SpanID()),
		Flags:   byte(sc.TraceFlags()),
		State:   sc.TraceState().String(),
	}
}

// inject names s as the parent of what the request with header h causes.
func (p propagator) inject(ctx context.Context, h http.Header, s exchange.Span) {
	for _, name := range p.headers {
		delete(h, name)
	}
	state, _ := trace.ParseTraceState(s.State) // it was parsed before, in extract
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(s.TraceID),
		SpanID:     trace.SpanID(s.SpanID),
		TraceFlags: trace.TraceFlags(s.Flags),
		TraceState: state,
	})
	p.formats.Inject(trace.ContextWithRemoteSpanContext(ctx, sc), propagation.HeaderCarrier(h))
}
