// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"time"

	"github.com/modtap/modtap/dashboards"
)

const (
	present   = "job_instance:modtap:present"
	instances = "job:modtap_instances:count"

	sender   = "job, instance, exporter, data_type"
	receiver = "job, instance, goproxy_service_name, signal"
)

// modtap are the alerts about Modtap itself. Series of the traffic carry the observed proxy and Modtap's own id as job and instance,
// otelcol_* and up those of the scrape job.
func (s Settings) modtap() File {
	return File{Name: "modtap.yaml", Groups: []Group{
		{Name: "modtap-presence", Interval: s.window(interval), Rules: s.presence()},
		{Name: "modtap-telemetry", Interval: s.window(interval), Rules: s.telemetry()},
	}}
}

func (s Settings) presence() []Rule {
	return []Rule{
		record(present, `group by (job, instance) (http_server_active_requests{goproxy_operation!=""})`),
		record(instances, "count by (job) ("+present+")"),
		s.rule(alert{
			name: "ModtapAbsent", severity: critical, team: teamObservability,
			expr:    fmt.Sprintf("last_over_time(%[1]s[%[2]s]) unless %[1]s", instances, s.window(day)),
			lasts:   2 * time.Minute,
			summary: "No Modtap tells of {{ $labels.job }} any more; there were {{ $value | humanize }} of them. If they stood in its traffic, builds fail",
			board:   dashboards.UIDSelf, since: 6 * time.Hour, kept: [][2]string{{"job", "job"}},
		}),
		// The median, so that the surge of a rolling deploy isn't what is compared with, and new instances make up for old ones.
		s.rule(alert{
			name: "ModtapInstanceAbsent", severity: warning, team: teamObservability,
			expr: fmt.Sprintf("(last_over_time(%[1]s[%[3]s]) unless %[1]s)\nand on (job) (%[2]s < quantile_over_time(0.5, %[2]s[%[3]s]))",
				present, instances, s.window(time.Hour)),
			lasts: 5 * time.Minute,
			summary: fmt.Sprintf(`Modtap {{ $labels.instance }} of {{ $labels.job }} tells nothing any more; {{ with query (printf "%s{job=%%q}" $labels.job) }}{{ . | first | value | humanize }}{{ end }} others do`,
				instances),
			board: dashboards.UIDSelf, since: 6 * time.Hour, kept: [][2]string{{"job", "job"}},
		}),
		s.rule(alert{
			name: "ModtapUnscraped", severity: warning, team: teamObservability,
			expr:    fmt.Sprintf("up{job=%[1]q} == 0\nor absent(up{job=%[1]q})", s.ScrapeJob),
			lasts:   5 * time.Minute,
			summary: "Prometheus can't read {{ with $labels.instance }}the page of Modtap at {{ . }}{{ else }}any page of Modtap, for it has no target{{ end }} (up {{ if $labels.instance }}{{ $value | humanize }}{{ else }}absent{{ end }})",
			board:   dashboards.UIDSelf,
		}),
	}
}

func (s Settings) telemetry() []Rule {
	in := s.window(10 * time.Minute)
	limit := 10 * time.Minute
	own := [][2]string{{"modtap", "instance"}}
	sends := fmt.Sprintf("sum by (%s) (increase(otelcol_exporter_send_duration_seconds_count[%s]))", sender, in)
	return []Rule{
		s.rule(alert{
			name: "ModtapTelemetryLost", severity: critical, team: teamObservability,
			expr: s.happened(receiver+", reason", "otelcol_receiver_exchange_lost_total") + "\nor\n" +
				s.happened(sender+", reason", "otelcol_exporter_dropped_items_total"),
			summary: fmt.Sprintf("{{ $value | humanize }} {{ with $labels.exporter }}items of {{ $labels.data_type }} were dropped by the exporter {{ . }}{{ else }}exchanges of {{ $labels.goproxy_service_name }} weren't told ({{ $labels.signal }}){{ end }} in the last %s: {{ $labels.reason }}",
				s.window(recent)),
			board: dashboards.UIDSelf, kept: own,
		}),
		s.rule(alert{
			name: "ModtapTelemetryDelayed", severity: warning, team: teamObservability,
			expr: fmt.Sprintf("max by (%s) (otelcol_exporter_queue_oldest_age_seconds) > %s\nor\nmax by (%s) (otelcol_receiver_exchange_oldest_age_seconds) > %s",
				sender, s.seconds(limit), receiver, s.seconds(limit)),
			lasts:   2 * time.Minute,
			summary: "The oldest {{ with $labels.exporter }}{{ $labels.data_type }} for the exporter {{ . }}{{ else }}{{ $labels.signal }} of {{ $labels.goproxy_service_name }}{{ end }} on {{ $labels.instance }} have been waiting for {{ $value | humanizeDuration }}",
			board:   dashboards.UIDSelf, since: 6 * time.Hour, kept: own,
		}),
		s.rule(alert{
			name: "ModtapBacklogFilling", severity: critical, team: teamObservability,
			expr: fmt.Sprintf("max by (%s) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity) > 0.8\nor\n"+
				"max by (job, instance, goproxy_service_name) (otelcol_receiver_exchange_journal_size_bytes / otelcol_receiver_exchange_journal_max_size_bytes) > 0.8", sender),
			lasts:   5 * time.Minute,
			summary: "{{ with $labels.exporter }}The queue of the exporter {{ . }} ({{ $labels.data_type }}){{ else }}The journal of {{ $labels.goproxy_service_name }}{{ end }} on {{ $labels.instance }} is {{ $value | humanizePercentage }} full; what doesn't fit is lost",
			board:   dashboards.UIDSelf, since: 6 * time.Hour, kept: own,
		}),
		s.rule(alert{
			name: "ModtapExporterFailing", severity: warning, team: teamObservability,
			expr: fmt.Sprintf("sum by (%s) (increase(otelcol_exporter_send_duration_seconds_count{outcome=\"failure\"}[%s]))\n/ (%s >= %d) > 0.5",
				sender, in, sends, s.MinSends),
			lasts: 5 * time.Minute,
			summary: fmt.Sprintf("{{ $value | humanizePercentage }} of the attempts of the exporter {{ $labels.exporter }} on {{ $labels.instance }} to send {{ $labels.data_type }} failed in the last %s; they wait on disk",
				in),
			board: dashboards.UIDSelf, kept: own,
		}),
	}
}
