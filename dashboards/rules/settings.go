// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Settings are what the table is rendered with. [Default] has the committed ones.
type Settings struct {
	// Scale divides each window, each "for", each interval and each age: 60 turns hours into minutes, for a rehearsal on a fast Prometheus
	// that scrapes every second. Names of recorded series keep the unscaled window.
	Scale int
	// MinRequests is how many requests a window needs before a ratio of them counts.
	MinRequests int
	// MinFailures is how many of them must be bad: one failure of few requests wakes nobody.
	MinFailures int
	// MinQuestions is how many list, latest and query requests an amplification needs in an hour.
	MinQuestions int
	// MinAttempts is how many requests an upstream needs in the short window of its alerts.
	MinAttempts int
	// MinSends is how many attempts to send an exporter needs before the share that fails counts.
	MinSends int
	// ScrapeJob is the name of the scrape job of Modtap's page: the job of up and of otelcol_* series.
	ScrapeJob string
	// Grafana is the base URL of links to dashboards, without a slash at the end.
	Grafana string
	// Runbooks is the base URL of runbooks, with a slash at the end; what follows is a path in the folder runbooks.
	Runbooks string
}

// Default returns the settings of the committed files.
func Default() Settings {
	return Settings{
		Scale:        1,
		MinRequests:  50,
		MinFailures:  5,
		MinQuestions: 500,
		MinAttempts:  10,
		MinSends:     5,
		ScrapeJob:    "modtap",
		Grafana:      "http://localhost:3000",
		Runbooks:     "https://github.com/modtap/modtap/blob/main/dashboards/runbooks/",
	}
}

// Validate refuses settings that would make rules that can't be loaded or that never hold.
func (s Settings) Validate() error {
	var faults []error
	if s.Scale < 1 || int(interval/time.Second)%s.Scale != 0 {
		faults = append(faults, errors.New("scale "+strconv.Itoa(s.Scale)+" doesn't divide a minute into whole seconds: take 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60"))
	}
	for name, n := range map[string]int{
		"minimum of requests": s.MinRequests, "minimum of failures": s.MinFailures, "minimum of questions": s.MinQuestions,
		"minimum of attempts": s.MinAttempts, "minimum of sends": s.MinSends,
	} {
		if n < 1 {
			faults = append(faults, errors.New(name+" "+strconv.Itoa(n)+" guards no ratio: take 1 or more"))
		}
	}
	if !isURL(s.Grafana) || strings.HasSuffix(s.Grafana, "/") {
		faults = append(faults, fmt.Errorf("grafana %q isn't a URL without a slash at the end, such as https://grafana.example.com", s.Grafana))
	}
	if !isURL(s.Runbooks) || !strings.HasSuffix(s.Runbooks, "/") {
		faults = append(faults, fmt.Errorf("runbooks %q isn't a URL with a slash at the end, such as https://wiki.example.com/runbooks/", s.Runbooks))
	}
	if s.ScrapeJob == "" || strings.ContainsAny(s.ScrapeJob, "\"\\\n") {
		faults = append(faults, fmt.Errorf("job %q isn't the name of a scrape job: take job_name of Prometheus' configuration", s.ScrapeJob))
	}
	return errors.Join(faults...)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	// Braces would be a template to Prometheus.
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.Contains(s, "{{")
}

const (
	day  = 24 * time.Hour
	week = 7 * day

	// interval is how often the rules are evaluated. Windows are whole minutes.
	interval = time.Minute
)

// window returns a scaled range for an expression.
func (s Settings) window(d time.Duration) string { return span(d / time.Duration(s.Scale)) }

// seconds returns a scaled age for an expression.
func (s Settings) seconds(d time.Duration) string {
	return strconv.FormatFloat((d / time.Duration(s.Scale)).Seconds(), 'f', -1, 64)
}

// span writes a duration in Prometheus' form with its greatest whole unit, such as 5m, 3d or 90s.
func span(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{week, "w"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
