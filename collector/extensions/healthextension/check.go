// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/certificate"
)

// CheckStart returns the error with which an extension of this configuration would not
// start, but for its address.
func (c *Config) CheckStart(ctx context.Context, _ component.ID) error {
	if !c.HTTP.TLS.HasValue() {
		return nil
	}
	if _, _, err := certificate.New(ctx, c.HTTP.TLS.Get(), zap.NewNop(), func(error) {}); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	return nil
}
