// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// step is one fault and what has to come of it, written down before it is run.
type step struct {
	name string
	// inject begins the fault and returns what ends it.
	inject func(r *rehearsal) (end func())
	// notified are the alerts that receivers are told of while the fault lasts, with the time that is promised for each. None at all is
	// a fault's look-alike: it lasts for quiet.
	notified map[string]time.Duration
	quiet    time.Duration
	// held fire, but an inhibition holds them back while the fault lasts.
	held []string
	// after may be told of when the fault is over, and what it cost stays to be seen: the slower windows of an error budget.
	after []string
}

// burn is the key of a burn alert. Windows are scaled: an hour is a minute.
func burn(name, job, operation, window, severity string) string {
	return fmt.Sprintf("%s job=%s operation=%s window=%s severity=%s", name, job, operation, window, severity)
}

const (
	fast, slower = "1m", "6m"   // an hour, six hours: critical
	slow, slow3  = "24m", "72m" // a day, three days: warning
)

func steps() []step {
	availability := func(window, severity string) string {
		return burn("GoproxyAvailabilityBurn", "goproxy", "mod", window, severity)
	}
	latency := func(window, severity string) string {
		return burn("GoproxyLatencyBurn", "athens", "mod", window, severity)
	}
	return []step{
		{
			name: "upstream answers 500",
			inject: func(r *rehearsal) func() {
				r.origin.failing.Store(true)
				l := r.embedded.client.run(6, 8, each("unheard", "v1.0.0.mod"))
				stale := r.embedded.client.run(1, 8, func(int) string { return "/example.com/lib0/@v/list" })
				return func() { l.stop(); stale.stop(); r.origin.failing.Store(false) }
			},
			notified: map[string]time.Duration{"GoproxyUpstreamDown job=goproxy server_address=localhost side=egress severity=critical": 25 * time.Second},
			held:     []string{availability(fast, "critical"), availability(slower, "critical")},
			after:    []string{availability(slow, "warning"), availability(slow3, "warning")},
		},
		{
			name: "slow checksum database",
			inject: func(r *rehearsal) func() {
				r.origin.slowSums.Store(true)
				l := r.athens.run(1, 8, each("unverified", "v1.0.0.mod"))
				return func() { l.stop(); r.origin.slowSums.Store(false) }
			},
			notified: map[string]time.Duration{
				"GoproxyUpstreamSlow job=athens server_address=localhost side=egress severity=warning": 60 * time.Second,
				latency(fast, "critical"): 60 * time.Second, latency(slower, "critical"): 60 * time.Second,
			},
			after: []string{latency(slow, "warning"), latency(slow3, "warning")},
		},
		{
			name: "probe storm", quiet: 12 * time.Second,
			inject: func(r *rehearsal) func() {
				return r.embedded.client.run(15, 8, each("missing/b", "v1.0.0.info")).stop
			},
		},
		{
			name: "cold cache", quiet: 15 * time.Second,
			inject: func(r *rehearsal) func() { return r.athens.run(1.5, 4, each("fresh", "v1.0.0.zip")).stop },
		},
		{
			name: "private leak",
			inject: func(r *rehearsal) func() {
				for i := range 3 {
					r.embedded.client.want(http.StatusNotFound, fmt.Sprintf("/git.corp.example/secret%d/@v/v1.0.0.mod", i))
				}
				return func() {}
			},
			notified: map[string]time.Duration{"GoproxyPrivateLeak job=goproxy leak_pattern=*.corp.example severity=critical": 12 * time.Second},
		},
		{
			name: "changed module",
			inject: func(r *rehearsal) func() {
				for i := range 3 {
					r.embedded.client.ask(r.t.Context(), fmt.Sprintf("/example.com/tampered%d/@v/v1.0.0.zip", i))
				}
				return func() {}
			},
			notified: map[string]time.Duration{"GoproxyChecksumFailure job=goproxy severity=critical": 12 * time.Second},
		},
		{
			name: "Elasticsearch down",
			inject: func(r *rehearsal) func() {
				r.stack.Services["elasticsearch"].Stop()
				return r.stack.Services["elasticsearch"].Restart
			},
			notified: map[string]time.Duration{
				"ModtapTelemetryDelayed exporter=elastic data_type=logs severity=warning": 30 * time.Second,
				"ModtapExporterFailing exporter=elastic data_type=logs severity=warning":  40 * time.Second,
			},
			// The step ends with the first Modtap that is told of; the other one's window may still fill.
			after: []string{
				"ModtapTelemetryDelayed exporter=elastic data_type=logs severity=warning",
				"ModtapExporterFailing exporter=elastic data_type=logs severity=warning",
			},
		},
		{
			name: "Modtap killed",
			inject: func(r *rehearsal) func() {
				r.embedded.Kill()
				return r.embedded.Restart
			},
			notified: map[string]time.Duration{
				"ModtapAbsent job=goproxy severity=critical": 15 * time.Second,
				"ModtapUnscraped severity=warning":           20 * time.Second,
			},
		},
		{
			name: "bot asks for lists",
			inject: func(r *rehearsal) func() {
				return r.embedded.client.run(45, 16, func(n int) string { return fmt.Sprintf("/example.com/lib%d/@v/list", n%warm) }).stop
			},
			notified: map[string]time.Duration{"GoproxyListAmplification job=goproxy severity=warning": 70 * time.Second},
		},
	}
}

// runbook is the file that an alert's runbook_url leads to.
func runbook(url string) string {
	return filepath.Join("..", "..", "dashboards", "runbooks", filepath.Base(url))
}
