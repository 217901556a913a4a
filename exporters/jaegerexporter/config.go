// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

const (
	// defaultPacketSize is the largest packet that Jaeger's agent reads unless told
	// otherwise (--processor.jaeger-compact.server-max-packet-size).
	defaultPacketSize = 65000

	// maxPacketSize is what UDP over IPv4 carries: 65535 less the headers' 28.
	maxPacketSize = 65507

	// minPacketSize is what each IPv4 host takes (RFC 791) less the longest
	// headers. No useful span is smaller.
	minPacketSize = 508

	// agentSamplingPort is where Jaeger's agent serves sampling strategies.
	agentSamplingPort = "5778"
)

// Config is the configuration of the Jaeger exporter.
type Config struct {
	// ClientConfig holds the endpoint, and for HTTP how it is reached: tls,
	// headers, auth, timeout (default: 10s) and so on.
	//
	// The endpoint is http(s)://HOST:14268/api/traces for a Jaeger collector, or
	// udp://HOST:6831 for an agent. A user and password in the URL are used for
	// basic authentication, and never logged. Required.
	ClientConfig confighttp.ClientConfig `mapstructure:",squash"`

	// MaxPacketSize is the largest UDP packet in bytes. It must not be more than
	// the agent reads: it cuts what is longer. Default: 65000, as the agent's.
	MaxPacketSize int `mapstructure:"max_packet_size"`

	// RemoteSampling sends only the traces that Jaeger's sampling strategies ask
	// for. Default: off, every trace is sent.
	RemoteSampling configoptional.Optional[RemoteSamplingConfig] `mapstructure:"remote_sampling"`

	// QueueConfig is the queue before the sending. Default: on, in memory.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// RetryConfig is how a failed batch is tried again. Default: on, and
	// max_elapsed_time is 0: a batch is never given up.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

// RemoteSamplingConfig is where sampling strategies come from.
type RemoteSamplingConfig struct {
	// Endpoint is the URL that answers ?service=NAME with a strategy. It is reached
	// with the exporter's tls, headers and auth. Default: /api/sampling beside the
	// collector's /api/traces, or http://HOST:5778/sampling of the agent.
	Endpoint string `mapstructure:"endpoint"`

	// RefreshInterval is how often the strategy is asked for. Default: 1m.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every fault of the configuration by its YAML key. No message
// holds a credential.
func (cfg *Config) Validate() error {
	var errs []error
	endpoint, err := parseEndpoint(cfg.ClientConfig.Endpoint)
	if err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	if cfg.ClientConfig.Compression.IsCompressed() {
		errs = append(errs, fmt.Errorf("compression is %s: leave it out, older Jaegers don't decompress thrift", cfg.ClientConfig.Compression))
	}
	if cfg.ClientConfig.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %s: it must be more than 0", cfg.ClientConfig.Timeout))
	}
	if cfg.MaxPacketSize < minPacketSize || cfg.MaxPacketSize > maxPacketSize {
		errs = append(errs, fmt.Errorf("max_packet_size is %d: it must be from %d to %d", cfg.MaxPacketSize, minPacketSize, maxPacketSize))
	}
	if sampling := cfg.RemoteSampling.Get(); cfg.RemoteSampling.HasValue() && endpoint != nil {
		if sampling.RefreshInterval <= 0 {
			errs = append(errs, fmt.Errorf("remote_sampling::refresh_interval is %s: it must be more than 0", sampling.RefreshInterval))
		}
		if _, err := samplingURL(endpoint, sampling.Endpoint); err != nil {
			errs = append(errs, fmt.Errorf("remote_sampling::endpoint: %w", err))
		}
	}
	return errors.Join(errs...)
}

// parseEndpoint reads where spans go to. Its errors show the URL only from behind
// the last "@" on, since a password may stand before it.
func parseEndpoint(raw string) (*url.URL, error) {
	u, shown, err := parseURL(raw, "http://HOST:14268/api/traces or udp://HOST:6831")
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
		if strings.Trim(u.Path, "/") == "" {
			return nil, fmt.Errorf("%q has no path: write %s://%s/api/traces", shown, u.Scheme, u.Host)
		}
	case "udp":
		if u.Port() == "" {
			return nil, fmt.Errorf("%q has no port: write udp://%s", shown, net.JoinHostPort(u.Hostname(), "6831"))
		}
		if u.User != nil || u.Path != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%q is more than host and port: write udp://%s", shown, u.Host)
		}
	default:
		return nil, fmt.Errorf("%q is neither http://, https:// nor udp://", shown)
	}
	return u, nil
}

// samplingURL is where strategies are asked for: what is configured, or what goes
// with the endpoint of the spans.
func samplingURL(endpoint *url.URL, configured string) (*url.URL, error) {
	if configured != "" {
		u, shown, err := parseURL(configured, "http://HOST:14268/api/sampling")
		if err == nil && u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("%q is neither http:// nor https://", shown)
		}
		return u, err
	}
	if endpoint.Scheme == "udp" {
		return &url.URL{Scheme: "http", Host: net.JoinHostPort(endpoint.Hostname(), agentSamplingPort), Path: "/sampling"}, nil
	}
	base, found := strings.CutSuffix(endpoint.Path, "/traces")
	if !found {
		return nil, errors.New("it can't be told from the endpoint, whose path doesn't end in /traces: write http://HOST:14268/api/sampling")
	}
	return &url.URL{Scheme: endpoint.Scheme, User: endpoint.User, Host: endpoint.Host, Path: base + "/sampling"}, nil
}

// parseURL reads a URL with a host. shown is what an error may show of it.
func parseURL(raw, example string) (u *url.URL, shown string, err error) {
	shown = raw[strings.LastIndexByte(raw, '@')+1:]
	if shown == "" {
		return nil, "", fmt.Errorf("it is required: write %s", example)
	}
	if !strings.Contains(raw, "://") {
		return nil, shown, fmt.Errorf("%q has no scheme: write %s", shown, example)
	}
	u, err = url.Parse(raw)
	if err != nil { // Its text may hold any part of the URL.
		return nil, shown, fmt.Errorf("%q is part of no valid URL: write %s, with %%XX for special characters in user and password", shown, example)
	}
	if u.Hostname() == "" {
		return nil, shown, fmt.Errorf("%q has no host: write %s", shown, example)
	}
	if u.Fragment != "" {
		return nil, shown, fmt.Errorf("%q has a fragment: leave it out", shown)
	}
	return u, shown, nil
}
