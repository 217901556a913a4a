// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
)

func TestMessageOutcomeAndLevel(t *testing.T) {
	const path = "/github.com/pkg/errors/@v/v0.9.1.zip"
	for _, tt := range []struct {
		outcome              cache.Outcome
		status               int
		took                 time.Duration
		line, level, success string
	}{
		{cache.OK, 200, 13_592_389, "200 miss 13.6ms", "info", "success"},
		{cache.NotFound, 404, 2 * time.Second, "404 not_found 2.0s", "info", "success"},
		{cache.Probe, 404, time.Microsecond, "404 probe 1.0µs", "info", "success"},
		{cache.Denied, 403, 999, "403 denied 1.0µs", "warn", "failure"},
		{cache.Refused, 405, 0, "405 refused 0.0µs", "warn", "failure"},
		{cache.ClientGone, 0, 90 * time.Second, "client_gone 90.0s", "warn", "unknown"},
		{cache.UpstreamError, 502, time.Millisecond, "502 upstream_error 1.0ms", "error", "failure"},
		{cache.Interrupted, 0, time.Minute, "interrupted 60.0s", "error", "failure"},
	} {
		told := tell(path, func(b *exchange.Begin, e *exchange.End) { e.Status, e.Time = tt.status, b.Time.Add(tt.took) })
		told.Verdict.Outcome = tt.outcome
		record := Logs(resource, []*Told{told}).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		assert.Equal(t, "GET "+path+" "+tt.line, record.Body().Str())
		assert.Equal(t, tt.level, record.SeverityText(), tt.outcome)
		outcome, _ := record.Attributes().Get(attrEventOutcome)
		assert.Equal(t, tt.success, outcome.Str(), tt.outcome)
	}
}
