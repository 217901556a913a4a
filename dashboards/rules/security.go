// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"time"

	"github.com/modtap/modtap/dashboards"
)

const certificate = "goproxy_tls_certificate_not_after_timestamp_seconds"

func (s Settings) security() File {
	expires := func(severity string, left time.Duration, keep string) alert {
		return alert{
			name: "GoproxyCertificateExpiry", severity: severity, team: teamProxy,
			// Not scaled: certificates don't know of rehearsals.
			expr:  fmt.Sprintf("min by (job, server_address, goproxy_listener) (%s) - time() < %.0f%s", certificate, left.Seconds(), keep),
			lasts: 10 * time.Minute,
			summary: `The certificate of {{ with $labels.goproxy_listener }}the {{ . }} listener of {{ end }}{{ with $labels.server_address }}{{ . }}, asked by {{ end }}{{ $labels.job }} ` +
				`{{ if lt $value 0.0 }}has expired: time left {{ else }}expires in {{ end }}{{ $value | humanizeDuration }}`,
			board: dashboards.UIDUpstreams, since: day, kept: [][2]string{{"job", "job"}, {"upstream", "server_address"}},
		}
	}
	return File{Name: "security.yaml", Groups: []Group{{Name: "modtap-security", Interval: s.window(interval), Rules: []Rule{
		s.rule(alert{
			name: "GoproxyChecksumFailure", severity: critical, team: teamSecurity,
			expr:    s.happened("job", "goproxy_checksum_failures_total"),
			summary: "{{ $value | humanize }} requests to {{ $labels.job }} got a module that isn't what the checksum database says, in the last " + s.window(recent),
			board:   dashboards.UIDLogs, since: time.Hour, kept: [][2]string{{"job", "job"}},
		}),
		s.rule(alert{
			name: "GoproxyPrivateLeak", severity: critical, team: teamSecurity,
			expr: s.happened("job, goproxy_leak_pattern", "goproxy_private_leaks_total"),
			summary: fmt.Sprintf("{{ $value | humanize }} requests of {{ $labels.job }} in the last %s named a private module of {{ $labels.goproxy_leak_pattern }} to a public upstream, or would have but for the block",
				s.window(recent)),
			board: dashboards.UIDLogs, since: time.Hour, kept: [][2]string{{"job", "job"}},
		}),
		s.rule(expires(critical, 3*day, "")),
		s.rule(expires(warning, 14*day, fmt.Sprintf(" >= %.0f", (3*day).Seconds()))),
	}}}}
}
