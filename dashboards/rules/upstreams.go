// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"time"

	"github.com/modtap/modtap/dashboards"
)

const (
	attemptDuration = "http_client_request_duration_seconds"
	attempts        = "job_address:goproxy_attempts:increase3m"
	broken          = "job_address:goproxy_attempts_failed:increase3m"
	circuit         = "goproxy_upstream_circuit_state"

	// noFault are the values of error.type that say nothing against an upstream: none, a client that left, and each 4xx but 429 and those
	// about Modtap's own credentials, 401 and 407.
	noFault = "|canceled|not_found|40[02-68-9]|4[13-9].|42[0-8]"
	// slowAttempt is a boundary of the classic buckets, in seconds.
	slowAttempt = "2.5"
)

func (s Settings) upstreams() File {
	const by = "job, server_address, goproxy_side"
	in, longer := s.window(3*time.Minute), s.window(10*time.Minute)
	open := fmt.Sprintf("max by (job, server_address) (max_over_time(%s{goproxy_circuit_state=\"open\"}[%s])) == 1", circuit, s.window(2*time.Minute))
	neverClosed := fmt.Sprintf("min by (job, server_address) (max_over_time(%s{goproxy_circuit_state=\"closed\"}[%s])) == 0", circuit, s.window(2*time.Minute))
	well := `goproxy_operation!="zip",error_type=""`
	kept := [][2]string{{"job", "job"}, {"upstream", "server_address"}}
	return File{Name: "upstreams.yaml", Groups: []Group{{Name: "modtap-upstreams", Interval: s.window(interval / 2), Rules: []Rule{
		record(attempts, fmt.Sprintf(`sum by (%s) (increase(%s_count{error_type!="canceled"}[%s]))`, by, attemptDuration, in)),
		record(broken, fmt.Sprintf("sum by (%s) (increase(%s_count{error_type!~%q}[%s]))\nor 0 * %s", by, attemptDuration, noFault, in, attempts)),
		// An open circuit lets only single probes through, which are few beside the good requests before: one that never closed, though it
		// was asked, replaces the share and the minimum.
		s.rule(alert{
			name: "GoproxyUpstreamDown", severity: critical, team: teamProxy,
			expr: fmt.Sprintf("%[1]s / (%[2]s >= %[3]d) >= 0.5\nor\n%[1]s / (%[2]s > 0) > 0 and on (job, server_address) %[4]s",
				broken, attempts, s.MinAttempts, neverClosed),
			// Before the alerts that it explains, and until their short windows are clean, so that it holds them back. See patience.
			lasts: 30 * time.Second, keeps: burns[1].short,
			summary: "{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} to {{ $labels.server_address }} failed in the last " + in,
			board:   dashboards.UIDUpstreams, kept: kept,
		}),
		record("job_address:goproxy_attempts_well:increase10m", fmt.Sprintf("sum by (%s) (increase(%s_count{%s}[%s]))", by, attemptDuration, well, longer)),
		s.rule(alert{
			name: "GoproxyUpstreamSlow", severity: warning, team: teamProxy,
			expr: fmt.Sprintf("1 - sum by (%[1]s) (increase(%[2]s_bucket{%[3]s,le=%[4]q}[%[5]s]))\n/ (job_address:goproxy_attempts_well:increase10m >= %[6]d) > 0.2",
				by, attemptDuration, well, slowAttempt, longer, 2*s.MinAttempts),
			lasts: 5 * time.Minute,
			summary: fmt.Sprintf("{{ $value | humanizePercentage }} of the answers of {{ $labels.server_address }} to {{ $labels.job }} took longer than %s s in the last %s, zips left aside",
				slowAttempt, longer),
			board: dashboards.UIDUpstreams, kept: kept,
		}),
		s.rule(alert{
			name: "GoproxyCircuitOpen", severity: warning, team: teamProxy,
			expr: open, lasts: 10 * time.Minute, // a ticket, where GoproxyUpstreamDown doesn't explain it
			summary: fmt.Sprintf(`{{ $labels.job }} doesn't ask {{ $labels.server_address }}, whose requests failed in a row: its circuit breaker is open on {{ with query (printf "count(%s{job=%%q,server_address=%%q,goproxy_circuit_state=\"closed\"} == 0)" $labels.job $labels.server_address) }}{{ . | first | value | humanize }}{{ else }}0{{ end }} instances`,
				circuit),
			board: dashboards.UIDUpstreams, kept: kept,
		}),
	}}}}
}
