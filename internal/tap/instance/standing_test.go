// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
)

// statuses keeps what a component reports.
type statuses struct {
	component.Host
	last *componentstatus.Event
}

func (s *statuses) Report(event *componentstatus.Event) { s.last = event }

// TestStanding: one part that is well again takes away no other's fault.
func TestStanding(t *testing.T) {
	host := &statuses{Host: componenttest.NewNopHost()}
	s := standing{host: host}
	tls, kept := s.of("ingress::tls"), func(err error) { s.report("what is kept", err) }
	tls(errors.New("no pair"))
	kept(errors.New("disk full"))
	kept(nil)
	assert.Equal(t, componentstatus.StatusRecoverableError, host.last.Status())
	require.EqualError(t, host.last.Err(), "ingress::tls: no pair")
	tls(nil)
	assert.Equal(t, componentstatus.StatusOK, host.last.Status())
}
