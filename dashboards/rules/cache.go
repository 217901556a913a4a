// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"time"

	"github.com/modtap/modtap/dashboards"
)

const (
	lookups  = "job:goproxy_lookups:increase1h"
	hitRatio = "job:goproxy_hit_ratio:increase1h"
	usual    = "job:goproxy_hit_ratio:avg1w"

	// collapse is the share of the usual hit ratio below which the cache is worth a look.
	collapse = "0.7"
	// known is how many evaluations with enough look-ups must be known before there is something usual: six hours of them.
	known = 360
)

func (s Settings) cache() File {
	in, before := s.window(time.Hour), s.window(week)
	looked := fmt.Sprintf(`goproxy_outcome="ok",goproxy_operation=~%q,goproxy_cache_result=~`, dashboards.Cacheable)
	asked := `goproxy_outcome="ok",goproxy_operation=~`
	const files, questions = dashboards.Cacheable, "list|latest|query"
	return File{Name: "cache.yaml", Groups: []Group{{Name: "modtap-cache", Interval: s.window(interval), Rules: []Rule{
		record(lookups, fmt.Sprintf(`sum by (job) (increase(%s_count{%s"miss|%s"}[%s]))`, requestDuration, looked, dashboards.Hits, in)),
		record(hitRatio, fmt.Sprintf("(sum by (job) (increase(%s_count{%s%q}[%s])) or 0 * %s)\n/ (%s >= %d)",
			requestDuration, looked, dashboards.Hits, in, lookups, lookups, s.MinRequests)),
		record(usual, fmt.Sprintf("avg_over_time(%[1]s[%[2]s] offset %[3]s)\nand count_over_time(%[1]s[%[2]s] offset %[3]s) >= %[4]d",
			hitRatio, before, in, known)),
		s.rule(alert{
			name: "GoproxyHitRatioCollapse", severity: warning, team: teamProxy,
			expr:  hitRatio + " < " + collapse + " * " + usual,
			lasts: 15 * time.Minute,
			summary: fmt.Sprintf(`The cache of {{ $labels.job }} answered {{ $value | humanizePercentage }} of the look-ups of the last %s; in the week before it was {{ with query (printf "%s{job=%%q}" $labels.job) }}{{ . | first | value | humanizePercentage }}{{ end }}`,
				in, usual),
			board: dashboards.UIDCache, since: day, kept: [][2]string{{"job", "job"}},
		}),
		// What isn't ok is left out on both sides: a search for a module's path asks several lists that aren't there.
		record("job:goproxy_questions:increase1h", fmt.Sprintf("sum by (job) (increase(%s_count{%s%q}[%s]))", requestDuration, asked, questions, in)),
		record("job:goproxy_files:increase1h", fmt.Sprintf("sum by (job) (increase(%s_count{%s%q}[%s]))\nor 0 * job:goproxy_questions:increase1h", requestDuration, asked, files, in)),
		s.rule(alert{
			name: "GoproxyListAmplification", severity: warning, team: teamProxy,
			expr: fmt.Sprintf("job:goproxy_questions:increase1h / (job:goproxy_questions:increase1h + job:goproxy_files:increase1h) > 0.8\nand job:goproxy_questions:increase1h >= %d",
				s.MinQuestions),
			lasts: 15 * time.Minute,
			summary: fmt.Sprintf(`{{ $value | humanizePercentage }} of what clients got from {{ $labels.job }} in the last %s were lists and queries, which no cache answers: {{ with query (printf "job:goproxy_questions:increase1h{job=%%q}" $labels.job) }}{{ . | first | value | humanize }}{{ end }} of them`,
				in),
			board: dashboards.UIDBuilds, since: 6 * time.Hour, kept: [][2]string{{"job", "job"}},
		}),
	}}}}
}
