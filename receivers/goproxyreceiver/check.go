// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"fmt"
	"path/filepath"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/certificate"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/tap/instance"
	"github.com/modtap/modtap/receivers/goproxyreceiver/internal/embedded"
)

// CheckStart returns the error with which a receiver of this configuration would not
// start, as far as that can be known without making a file or opening a port. What
// depends on others only for a time, as a port in use, is none.
func (c *Config) CheckStart(ctx context.Context, id component.ID) error {
	if err := c.Config.CheckStart(ctx, id); err != nil {
		return err
	}
	var err error
	r := &goproxyReceiver{cfg: c, log: zap.NewNop(), instance: &instance.Instance{Dir: c.Folder(id)}}
	if r.leaks, err = c.openLeaks(ctx); err != nil {
		return err
	}
	for _, side := range []exchange.Side{exchange.Ingress, exchange.Egress} {
		if cfg := c.listener(side); cfg.Endpoint != "" && cfg.TLS.HasValue() {
			if _, _, err := certificate.New(ctx, cfg.TLS.Get(), zap.NewNop(), func(error) {}); err != nil {
				return fmt.Errorf("%s::tls: %w", side, err)
			}
		}
	}
	own := []string{c.Ingress.Endpoint, c.Egress.Endpoint}
	if c.Upstream != Embedded {
		if _, err := c.beside(own); err != nil {
			return fmt.Errorf("upstream: %w", err)
		}
		if _, err := c.Forward.TLS.LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("forward::tls: %w", err)
		}
		if c.Egress.Endpoint == "" {
			return nil
		}
	}
	settings := r.chainSettings()
	settings.OwnAddresses = c.leadBack(own)
	list, err := embedded.NewChain(ctx, settings)
	if err != nil {
		return err
	}
	list.Close()
	if c.Upstream == Embedded {
		for _, dir := range []string{"download", "sumdb"} {
			if err := modcache.Check(filepath.Join(settings.Dir, dir)); err != nil {
				return err
			}
		}
	}
	return nil
}
