// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// Tags of a root span that was sampled, as Jaeger's clients set them; Jaeger's
// adaptive sampling counts by them.
const (
	samplerTypeKey  = "sampler.type"
	samplerParamKey = "sampler.param"
)

// sampling stands before the queue of an exporter and lets only the traces through
// that Jaeger's strategies ask for.
type sampling struct {
	exporter.Traces // The queue, and behind it the sending.

	cfg       *Config
	set       exporter.Settings
	url       *url.URL
	unsampled metric.Int64Counter

	strategies *strategies // Nil before the start.
	stop       context.CancelFunc
	asking     sync.WaitGroup

	mu        sync.Mutex
	decisions *decisions
}

func newSampling(cfg *Config, set exporter.Settings, queued exporter.Traces) (*sampling, error) {
	unsampled, err := set.MeterProvider.Meter(scopeName).Int64Counter(
		"otelcol_exporter_jaeger_unsampled_spans",
		metric.WithUnit("{span}"),
		metric.WithDescription("Spans that the Jaeger exporter did not send since Jaeger's sampling strategy didn't ask for them."),
	)
	if err != nil {
		return nil, err
	}
	endpoint, err := parseEndpoint(cfg.ClientConfig.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("exporters::%s::endpoint: %w", set.ID, err)
	}
	u, err := samplingURL(endpoint, cfg.RemoteSampling.Get().Endpoint)
	if err != nil {
		return nil, fmt.Errorf("exporters::%s::remote_sampling::endpoint: %w", set.ID, err)
	}
	return &sampling{Traces: queued, cfg: cfg, set: set, url: u, unsampled: unsampled, decisions: newDecisions(rememberedTraces)}, nil
}

// Start starts the exporter and begins to ask for strategies again and again; the
// first question is asked with the first trace of a service.
func (s *sampling) Start(ctx context.Context, host component.Host) error {
	if s.strategies == nil {
		client, err := newClient(ctx, s.cfg, host, s.set.TelemetrySettings)
		if err != nil {
			return fmt.Errorf("exporters::%s: %w", s.set.ID, err)
		}
		s.strategies = &strategies{
			target: newTarget(s.url), timeout: s.cfg.ClientConfig.Timeout, logger: onceAMinute(s.set.Logger), client: client,
			services: make(map[string]*service),
		}
		asking, stop := context.WithCancel(context.WithoutCancel(ctx)) // The start's context ends with it.
		s.stop = stop
		s.asking.Go(func() { s.strategies.refresh(asking, s.cfg.RemoteSampling.Get().RefreshInterval) })
	}
	return s.Traces.Start(ctx, host)
}

// Shutdown ends the asking, and then the exporter.
func (s *sampling) Shutdown(ctx context.Context) error {
	if s.strategies != nil {
		s.stop()
		s.asking.Wait()
		s.strategies.client.CloseIdleConnections()
	}
	return s.Traces.Shutdown(ctx)
}

// ConsumeTraces hands the sampled traces on.
func (s *sampling) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	if s.strategies == nil {
		return errors.New("traces before the start of the exporter")
	}
	sampled := ptrace.NewTraces()
	s.copySampled(traces, s.decide(ctx, traces), sampled)
	if left := traces.SpanCount() - sampled.SpanCount(); left > 0 {
		s.unsampled.Add(ctx, int64(left), metric.WithAttributes(attribute.String("exporter", s.set.ID.String())))
	}
	if sampled.SpanCount() == 0 {
		return nil
	}
	return s.Traces.ConsumeTraces(ctx, sampled)
}

// decide returns the decision about each trace of a batch.
func (s *sampling) decide(ctx context.Context, traces ptrace.Traces) map[pcommon.TraceID]decision {
	heads := findHeads(traces)
	made := make(map[pcommon.TraceID]decision, len(heads))
	for id, first := range heads {
		// The answer that this may wait for is the first of a service only.
		s.strategies.use(ctx, first.service, func(by strategy) {
			s.mu.Lock()
			defer s.mu.Unlock()
			d, ok := s.decisions.of(id)
			if !ok {
				d = by.decide(id, first.span.Name())
				s.decisions.remember(id, d)
			}
			made[id] = d
		})
	}
	return made
}

// copySampled copies the spans of sampled traces, and tags their roots.
func (s *sampling) copySampled(traces ptrace.Traces, made map[pcommon.TraceID]decision, to ptrace.Traces) {
	traces.CopyTo(to)
	to.ResourceSpans().RemoveIf(func(inResource ptrace.ResourceSpans) bool {
		inResource.ScopeSpans().RemoveIf(func(inScope ptrace.ScopeSpans) bool {
			inScope.Spans().RemoveIf(func(span ptrace.Span) bool {
				d := made[span.TraceID()]
				if d.sampled && d.sampler != "" && span.ParentSpanID().IsEmpty() {
					span.Attributes().PutStr(samplerTypeKey, d.sampler)
					span.Attributes().PutDouble(samplerParamKey, d.param)
				}
				return !d.sampled
			})
			return inScope.Spans().Len() == 0
		})
		return inResource.ScopeSpans().Len() == 0
	})
}

// A head is the span that stands for its trace when the trace is decided about.
type head struct {
	span    ptrace.Span
	service string
}

// findHeads picks for each trace the span nearest to its root that is in the batch:
// the root, or one whose parent isn't there; of several the earliest.
func findHeads(traces ptrace.Traces) map[pcommon.TraceID]head {
	present := make(map[pcommon.SpanID]bool, traces.SpanCount())
	eachSpan(traces, func(_ pcommon.Resource, span ptrace.Span) { present[span.SpanID()] = true })
	distance := func(span ptrace.Span) int {
		switch {
		case span.ParentSpanID().IsEmpty():
			return 0
		case !present[span.ParentSpanID()]:
			return 1
		}
		return 2
	}
	heads := make(map[pcommon.TraceID]head)
	eachSpan(traces, func(resource pcommon.Resource, span ptrace.Span) {
		best, ok := heads[span.TraceID()]
		if ok {
			had, has := distance(best.span), distance(span)
			ok = had < has || had == has && best.span.StartTimestamp() <= span.StartTimestamp()
		}
		if !ok {
			heads[span.TraceID()] = head{span: span, service: serviceName(resource)}
		}
	})
	return heads
}

func eachSpan(traces ptrace.Traces, do func(pcommon.Resource, ptrace.Span)) {
	for _, inResource := range traces.ResourceSpans().All() {
		for _, inScope := range inResource.ScopeSpans().All() {
			for _, span := range inScope.Spans().All() {
				do(inResource.Resource(), span)
			}
		}
	}
}

func serviceName(resource pcommon.Resource) string {
	name, ok := resource.Attributes().Get(string(semconv.ServiceNameKey))
	if !ok {
		return ""
	}
	return name.AsString()
}
