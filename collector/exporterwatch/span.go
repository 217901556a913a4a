// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exporterwatch

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// What upstream's exporter helper puts into its spans; a test with the real helper fails if that changes.
const (
	helperScope  = "go.opentelemetry.io/collector/exporter/exporterhelper"
	spanPrefix   = "exporter/"
	enqueueSpan  = "exporter/enqueue"
	attemptEvent = "Sending request."
	retryEvent   = "Exporting failed. Will retry the request after interval."
	errorKey     = attribute.Key("error")
	failedKey    = attribute.Key("items.failed")
	interrupted  = "interrupted due to shutdown"
	refused      = "not retryable error: "
)

type provider struct {
	trace.TracerProvider
	watch *watch
}

func (p provider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	inner := p.TracerProvider.Tracer(name, options...)
	if name != helperScope {
		return otherTracer{inner}
	}
	return tracer{Tracer: inner, watch: p.watch}
}

// An otherTracer is of a library below the helper. The collector's tracer of nothing leaves the context as it is; then the
// library would take our span for its own, and end it.
type otherTracer struct{ trace.Tracer }

func (t otherTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, own := t.Tracer.Start(ctx, name, options...)
	if _, ours := trace.SpanFromContext(ctx).(*span); ours {
		ctx = trace.ContextWithSpan(ctx, own)
	}
	return ctx, own
}

type tracer struct {
	trace.Tracer
	watch *watch
}

func (t tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, inner := t.Tracer.Start(ctx, name, options...)
	if !strings.HasPrefix(name, spanPrefix) || name == enqueueSpan {
		return ctx, inner
	}
	s := &span{Span: inner, watch: t.watch, ctx: ctx}
	s.attempt = t.watch.attemptBegins(time.Now())
	return trace.ContextWithSpan(ctx, s), s
}

// A span is one request on its way: one attempt, or as many as it takes. The helper uses it from one goroutine.
type span struct {
	trace.Span
	watch   *watch
	ctx     context.Context //nolint:containedctx // the request's, for the metrics' exemplars
	attempt *attempt        // that is under way; nil between two
	failure string
	items   int // that were given up
}

// IsRecording makes the helper tell how the request ended, also where nobody traces Modtap itself.
func (*span) IsRecording() bool { return true }

func (s *span) AddEvent(name string, options ...trace.EventOption) {
	s.Span.AddEvent(name, options...)
	switch name {
	case attemptEvent:
		if s.attempt == nil {
			s.attempt = s.watch.attemptBegins(time.Now())
		}
	case retryEvent:
		config := trace.NewEventConfig(options...)
		for _, kv := range config.Attributes() {
			if kv.Key == errorKey {
				s.attemptEnds(kv.Value.AsString())
			}
		}
	}
}

func (s *span) SetAttributes(kv ...attribute.KeyValue) {
	s.Span.SetAttributes(kv...)
	for _, one := range kv {
		if one.Key == failedKey {
			s.items = int(one.Value.AsInt64())
		}
	}
}

func (s *span) SetStatus(code codes.Code, description string) {
	s.Span.SetStatus(code, description)
	if code == codes.Error {
		s.failure = description
	}
}

func (s *span) End(options ...trace.SpanEndOption) {
	s.Span.End(options...)
	stopped := strings.Contains(s.failure, interrupted)
	if s.attempt != nil {
		s.attemptEnds(s.failure)
	}
	if s.items > 0 && !stopped {
		reason := reasonGivenUp
		if strings.HasPrefix(s.failure, refused) {
			reason = reasonRefused
		}
		count(s.ctx, func() { s.watch.meters.dropped(s.ctx, s.items, reason) })
	}
}

// attemptEnds takes what failed, "" for success.
func (s *span) attemptEnds(failure string) {
	s.watch.attemptEnds(s.ctx, s.attempt, failure)
	s.attempt = nil
}
