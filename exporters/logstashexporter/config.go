// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// maxCompressionLevel is zlib's.
const maxCompressionLevel = 9

// Config is the configuration of the Logstash exporter.
type Config struct {
	// Hosts are the addresses, HOST:PORT, of inputs that speak the lumberjack
	// protocol, such as Logstash's beats input. One is used until it fails, then
	// the next one. Required.
	Hosts []string `mapstructure:"hosts"`

	// WindowSize is how many documents are sent before an acknowledgement is
	// waited for; a larger batch is several windows. Default: 2048.
	WindowSize int `mapstructure:"window_size"`

	// CompressionLevel is zlib's, from 1 (fast) to 9 (small); 0 doesn't compress.
	// Default: 3.
	CompressionLevel int `mapstructure:"compression_level"`

	// Timeout bounds connecting with its TLS handshake, sending a window, and each
	// wait for a sign of life after it: an acknowledgement, or the keep-alive of a
	// server that is still at work. Default: 10s.
	Timeout time.Duration `mapstructure:"timeout"`

	// TLS is how connections are made over TLS; they are not if this is absent.
	// Default: absent.
	TLS configoptional.Optional[configtls.ClientConfig] `mapstructure:"tls"`

	// QueueConfig is the queue before the sending. Default: on, in memory.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// RetryConfig is how a failed batch is tried again. Default: on, and
	// max_elapsed_time is 0: a batch is never given up.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every fault of the configuration by its YAML key.
func (cfg *Config) Validate() error {
	var errs []error
	if len(cfg.Hosts) == 0 {
		errs = append(errs, errors.New("hosts is required: list at least one address such as localhost:5044"))
	}
	for i, host := range cfg.Hosts {
		if err := validateHost(host); err != nil {
			errs = append(errs, fmt.Errorf("hosts[%d]: %w", i, err))
		}
	}
	if cfg.WindowSize < 1 {
		errs = append(errs, fmt.Errorf("window_size is %d: it must be 1 or more", cfg.WindowSize))
	}
	if cfg.CompressionLevel < 0 || cfg.CompressionLevel > maxCompressionLevel {
		errs = append(errs, fmt.Errorf("compression_level is %d: it must be from 0 (none) to %d", cfg.CompressionLevel, maxCompressionLevel))
	}
	if cfg.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %s: it must be more than 0", cfg.Timeout))
	}
	return errors.Join(errs...)
}

func validateHost(address string) error {
	if strings.Contains(address, "://") {
		return fmt.Errorf("%q is a URL: write HOST:PORT, such as localhost:5044, and set tls for TLS", address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("%q isn't HOST:PORT: write an address such as localhost:5044", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535: write an address such as localhost:5044", address)
	}
	return nil
}
