// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package certificate shows clients of a listener the last pair of certificate and key that was whole, whatever is in their files
// meanwhile.
package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/config/configtls"
	"go.uber.org/zap"
)

// recheck is how soon the files are read again while they make no pair: whoever
// renews them writes one after the other.
const recheck = 5 * time.Second

// Certificate is what clients of a listener are shown: the last pair of certificate
// and key that was whole. A renewal that is half done, or went wrong, leaves it in
// use.
type Certificate struct {
	cfg     *configtls.ServerConfig
	current atomic.Pointer[tls.Certificate]
	// report is told why the files can't be used, and nil once they can.
	report func(error)
	log    *zap.Logger
}

// New reads the pair for the first time. What comes from cfg's own loader,
// [configtls.ServerConfig.LoadTLSConfig], is put under config's care. report is told
// why the files can't be used, and nil once they can.
func New(ctx context.Context, cfg *configtls.ServerConfig, log *zap.Logger, report func(error)) (*Certificate, *tls.Config, error) {
	c := &Certificate{cfg: cfg, log: log, report: report}
	config, err := cfg.LoadTLSConfig(ctx)
	if err != nil {
		return nil, nil, err
	}
	pair, err := c.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	c.current.Store(pair)
	// Also where client authorities are read again: their copy of config asks config for it.
	config.GetCertificate = c.get
	return c, config, nil
}

func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// Watch reads the files again at each reload_interval, until ctx ends.
func (c *Certificate) Watch(ctx context.Context) {
	interval := c.cfg.ReloadInterval
	if interval <= 0 {
		return
	}
	wait, failing := interval, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		pair, err := c.load(ctx)
		if err != nil {
			err = fmt.Errorf("the certificate that expires on %s stays in use, its files make no pair: %w",
				c.current.Load().Leaf.NotAfter.UTC().Format(time.DateTime), err)
			c.report(err)
			if !failing {
				c.log.Warn("certificate is not renewed", zap.Error(err))
			}
			wait, failing = min(interval, recheck), true
			continue
		}
		c.current.Store(pair)
		wait = interval
		if failing {
			failing = false
			c.report(nil)
			c.log.Info("certificate is renewed after all")
		}
	}
}

// load reads certificate and key, from wherever they are configured to be.
func (c *Certificate) load(ctx context.Context) (*tls.Certificate, error) {
	for _, file := range []string{c.cfg.CertFile, c.cfg.KeyFile} {
		if err := checkWhole(file); err != nil {
			return nil, err
		}
	}
	config, err := c.cfg.LoadTLSConfig(ctx)
	if err != nil {
		return nil, err
	}
	if config.GetCertificate == nil {
		return nil, errors.New("no certificate: set cert_file and key_file")
	}
	pair, err := config.GetCertificate(nil)
	if err != nil || pair.Leaf == nil {
		return nil, errors.Join(err, errors.New("no certificate in the file"))
	}
	return pair, nil
}

// checkWhole refuses a PEM file (RFC 7468) that ends amid a block. The parser
// passes over the rest, which would leave a chain without its intermediates.
func checkWhole(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(text) {
		text = rest
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return fmt.Errorf("%s ends amid a PEM block", file)
	}
	return nil
}
