// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"time"
)

// prometheusAbsent takes Prometheus away: nobody reads the page but the scraper.
func prometheusAbsent(r *run) {
	r.prometheus.Stop()
	r.t.Cleanup(r.prometheus.Restart)
	time.Sleep(scale(5*time.Second, time.Minute))
}
