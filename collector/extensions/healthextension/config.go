// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/modtap/modtap/internal/frontdoor"
)

// Config is what a user writes below extensions::health.
type Config struct {
	// HTTP is upstream's whole server configuration (endpoint, tls, auth, cors, ...).
	// The endpoint's default is 127.0.0.1:13133.
	HTTP confighttp.ServerConfig `mapstructure:",squash"`
	// AllowedHosts are the names, as in Host, that a listener on loopback answers to
	// besides loopback's own: names, addresses, *.name for all below it, * for all.
	// At other addresses it answers to every name. Default: none.
	AllowedHosts []string `mapstructure:"allowed_hosts"`
}

var _ component.Config = (*Config)(nil)

// Validate returns an error if there is no address to listen on.
func (c *Config) Validate() error {
	if c.HTTP.NetAddr.Endpoint == "" {
		return errors.New("endpoint: empty; write HOST:PORT, 127.0.0.1:13133 for one")
	}
	if err := frontdoor.Validate(c.AllowedHosts); err != nil {
		return fmt.Errorf("allowed_hosts: %w", err)
	}
	return nil
}
