// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package otlpsink decides for upstream's OTLP exporters what an answer means. Upstream gives up what a backend answers with, say,
// 404, and takes any 2xx for success, a sign-in page included. Here only an OTLP answer is success, and only an OTLP answer that
// says so of the data is final; all else is a fault of the way there, which passes: what was sent is kept and sent again.
//
// The rule is a middleware in the exporters' clients, the place that upstream has for it. No configuration needs to name it, and
// none can leave it out.
package otlpsink

import (
	"context"
	"maps"
	"net/http"
	"net/url"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/configmiddleware"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"
	"google.golang.org/grpc"

	"github.com/modtap/modtap/internal/outbound"
)

// middlewareID is under which the exporters find the rule. A configuration can't take it: the name has a space.
var middlewareID = component.NewIDWithName(component.MustNewType("modtap"), "otlp answers")

// HTTP returns upstream's factory of otlp_http with the rule.
func HTTP() exporter.Factory {
	return withRule(otlphttpexporter.NewFactory(),
		func(cfg component.Config) {
			client := &cfg.(*otlphttpexporter.Config).ClientConfig
			client.HTTP2ReadIdleTimeout, client.HTTP2PingTimeout = outbound.PingAfter, outbound.PingTimeout
		},
		func(cfg component.Config) (component.Config, component.Component) {
			c := *cfg.(*otlphttpexporter.Config)
			c.ClientConfig.Middlewares = append([]configmiddleware.Config{{ID: middlewareID}}, c.ClientConfig.Middlewares...)
			return &c, &rule{}
		})
}

// GRPC returns upstream's factory of otlp_grpc with the rule.
func GRPC() exporter.Factory {
	return withRule(otlpexporter.NewFactory(),
		func(cfg component.Config) {
			alive := configgrpc.NewDefaultKeepaliveClientConfig()
			alive.Time, alive.Timeout = outbound.PingAfter, outbound.PingTimeout
			cfg.(*otlpexporter.Config).ClientConfig.Keepalive = configoptional.Some(alive)
		},
		func(cfg component.Config) (component.Config, component.Component) {
			c := *cfg.(*otlpexporter.Config)
			c.ClientConfig.Middlewares = append([]configmiddleware.Config{{ID: middlewareID}}, c.ClientConfig.Middlewares...)
			scheme := "grpcs"
			if c.ClientConfig.TLS.Insecure {
				scheme = "grpc"
			}
			return &c, &rule{at: &url.URL{Scheme: scheme, Host: c.ClientConfig.Endpoint}}
		})
}

// rule is the middleware.
type rule struct {
	component.StartFunc
	component.ShutdownFunc

	at *url.URL // of gRPC, where requests have no URL
}

var (
	_ extensionmiddleware.HTTPClient = (*rule)(nil)
	_ extensionmiddleware.GRPCClient = (*rule)(nil)
)

// GetHTTPRoundTripper implements [extensionmiddleware.HTTPClient].
func (*rule) GetHTTPRoundTripper(context.Context) (extensionmiddleware.WrapHTTPRoundTripperFunc, error) {
	return func(_ context.Context, base http.RoundTripper) (http.RoundTripper, error) {
		return &roundTripper{base}, nil
	}, nil
}

// GetGRPCClientOptions implements [extensionmiddleware.GRPCClient].
func (r *rule) GetGRPCClientOptions(context.Context) ([]grpc.DialOption, error) {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(r.intercept)}, nil
}

// upstreamFactory is what upstream's two factories have.
type upstreamFactory interface {
	xexporter.Factory
	DeprecatedAlias() component.Type
	SetDeprecatedAlias(component.Type)
}

// ruled makes exporters that find the rule among the host's extensions.
type ruled struct {
	upstreamFactory

	defaults func(component.Config)
	apply    func(component.Config) (component.Config, component.Component)
}

func withRule(of exporter.Factory, defaults func(component.Config), apply func(component.Config) (component.Config, component.Component)) exporter.Factory {
	return &ruled{of.(upstreamFactory), defaults, apply}
}

// CreateDefaultConfig implements [component.Factory].
func (f *ruled) CreateDefaultConfig() component.Config {
	cfg := f.upstreamFactory.CreateDefaultConfig()
	f.defaults(cfg)
	return cfg
}

// CreateTraces implements [exporter.Factory].
func (f *ruled) CreateTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	cfg, answers := f.apply(cfg)
	e, err := f.upstreamFactory.CreateTraces(ctx, set, cfg)
	return traces{e, answers}, err
}

// CreateMetrics implements [exporter.Factory].
func (f *ruled) CreateMetrics(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Metrics, error) {
	cfg, answers := f.apply(cfg)
	e, err := f.upstreamFactory.CreateMetrics(ctx, set, cfg)
	return metrics{e, answers}, err
}

// CreateLogs implements [exporter.Factory].
func (f *ruled) CreateLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	cfg, answers := f.apply(cfg)
	e, err := f.upstreamFactory.CreateLogs(ctx, set, cfg)
	return logs{e, answers}, err
}

type traces struct {
	exporter.Traces
	answers component.Component
}

func (e traces) Start(ctx context.Context, host component.Host) error {
	return e.Traces.Start(ctx, withMiddleware(host, e.answers))
}

type metrics struct {
	exporter.Metrics
	answers component.Component
}

func (e metrics) Start(ctx context.Context, host component.Host) error {
	return e.Metrics.Start(ctx, withMiddleware(host, e.answers))
}

type logs struct {
	exporter.Logs
	answers component.Component
}

func (e logs) Start(ctx context.Context, host component.Host) error {
	return e.Logs.Start(ctx, withMiddleware(host, e.answers))
}

// hosting is a host with one more extension.
type hosting struct {
	component.Host
	extensions map[component.ID]component.Component
}

func withMiddleware(host component.Host, answers component.Component) component.Host {
	extensions := maps.Clone(host.GetExtensions())
	if extensions == nil {
		extensions = make(map[component.ID]component.Component)
	}
	extensions[middlewareID] = answers
	return hosting{host, extensions}
}

func (h hosting) GetExtensions() map[component.ID]component.Component { return h.extensions }

// Report implements [componentstatus.Reporter].
func (h hosting) Report(event *componentstatus.Event) { componentstatus.ReportStatus(h.Host, event) }
