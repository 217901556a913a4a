// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.opentelemetry.io/collector/component"

	"github.com/modtap/modtap/internal/frontdoor"
)

// Config is the configuration of the Prometheus exporter.
type Config struct {
	// Endpoint is the address, HOST:PORT, at which /metrics is served.
	// Default: localhost:9464.
	Endpoint string `mapstructure:"endpoint"`

	// AllowedHosts are the names, as in Host, that a page on loopback answers to
	// besides loopback's own: names, addresses, *.name for all below it, * for all.
	// At other addresses it answers to every name. Default: none.
	AllowedHosts []string `mapstructure:"allowed_hosts"`

	// MetricExpiration is how long a series is shown after its last point came;
	// 0 shows it for ever. Default: 5m.
	MetricExpiration time.Duration `mapstructure:"metric_expiration"`

	// WebConfigFile is the path of a web configuration as Prometheus and its
	// exporters have it, for TLS, client certificates and basic authentication:
	// https://github.com/prometheus/exporter-toolkit/blob/v0.14.0/docs/web-configuration.md.
	// Its own paths are relative to it. It is read again for each connection and
	// request, so that certificates and users change without a restart.
	// Default: none, plain HTTP for everybody.
	WebConfigFile string `mapstructure:"web_config_file"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every fault of the configuration by its YAML key.
func (cfg *Config) Validate() error {
	var errs []error
	if err := validateEndpoint(cfg.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint is %q: %w: write HOST:PORT such as localhost:9464", cfg.Endpoint, err))
	}
	if err := frontdoor.Validate(cfg.AllowedHosts); err != nil {
		errs = append(errs, fmt.Errorf("allowed_hosts: %w", err))
	}
	if cfg.MetricExpiration < 0 {
		errs = append(errs, fmt.Errorf("metric_expiration is %s: it must be 0 (never) or more", cfg.MetricExpiration))
	}
	if err := web.Validate(cfg.WebConfigFile); err != nil {
		errs = append(errs, fmt.Errorf("web_config_file is %q: %w: give a web configuration of Prometheus's exporter-toolkit, or leave it out", cfg.WebConfigFile, err))
	}
	return errors.Join(errs...)
}

func validateEndpoint(endpoint string) error {
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		if address, ok := errors.AsType[*net.AddrError](err); ok {
			return errors.New(address.Err) // Without the endpoint, which is told already.
		}
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("port is no number up to 65535")
	}
	return nil
}
