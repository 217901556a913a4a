// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"maps"
	"strings"
	"time"
)

// File is one rule file.
type File struct {
	Name   string  `yaml:"-"` // without folder
	Groups []Group `yaml:"groups"`
}

// Group is evaluated in order, its recordings before the alerts on them.
type Group struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval"`
	Rules    []Rule `yaml:"rules"`
}

// Rule is a recording or an alert; one of Record and Alert is set.
type Rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Keep        string            `yaml:"keep_firing_for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// Severities: critical wakes somebody, warning is for working hours.
const (
	critical = "critical"
	warning  = "warning"
)

// Teams that alerts are routed to.
const (
	teamProxy         = "proxy"         // runs the module proxy
	teamSecurity      = "security"      // cares for what may leave the house, and for what came in
	teamObservability = "observability" // runs Modtap and the backends of its signals
)

// alert is one row of the table.
type alert struct {
	name, severity, team string
	expr                 string
	lasts                time.Duration // for how long expr must hold; zero: not at all
	keeps                time.Duration // for how long it fires on after expr held; zero: not at all
	labels               map[string]string
	summary              string // a text/template of Prometheus
	board                string // the uid of the dashboard to open
	since                time.Duration
	// kept are the dashboard's variables and the alert's labels that they take their value from.
	kept [][2]string
}

func record(name, expr string) Rule { return Rule{Record: name, Expr: expr} }

// rule completes an alert with what all have: team, dashboard and runbook.
func (s Settings) rule(a alert) Rule {
	labels := map[string]string{"severity": a.severity, "team": a.team}
	maps.Copy(labels, a.labels)
	r := Rule{
		Alert: a.name, Expr: a.expr, Labels: labels,
		Annotations: map[string]string{
			"summary":     a.summary,
			"dashboard":   s.dashboard(a),
			"runbook_url": s.Runbooks + a.name + ".md",
		},
	}
	if a.lasts > 0 {
		r.For = s.window(a.lasts)
	}
	if a.keeps > 0 {
		r.Keep = s.window(a.keeps)
	}
	return r
}

// dashboard links to the board with the variables that the alert knows, from before its window on.
func (s Settings) dashboard(a alert) string {
	var b strings.Builder
	b.WriteString(s.Grafana + "/d/" + a.board + "?from=now-" + s.window(max(a.since, time.Hour)) + "&to=now")
	for _, k := range a.kept {
		b.WriteString("&var-" + k[0] + "={{ $labels." + k[1] + " | urlquery }}")
	}
	return b.String()
}

// recent is how long an event holds its alert.
const recent = 15 * time.Minute

// happened holds for a window after a counter rose, its first appearance included: a series that is born with its first event has no
// increase yet. What a day before the window knows isn't new, so that a gap in scraping raises nothing.
func (s Settings) happened(by, series string) string {
	w, before := s.window(recent), s.window(day)
	return "sum by (" + by + ") (increase(" + series + "[" + w + "])) > 0\n" +
		"or\nsum by (" + by + ") (" + series + " unless max_over_time(" + series + "[" + before + "] offset " + w + ")) > 0"
}
