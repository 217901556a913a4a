// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate renders the rules into the working directory. Flags render them for a house of one's own into another one: with links
// to its Grafana and its runbooks, with other minimums, or, with -scale 60, for a rehearsal in which hours are minutes.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/modtap/modtap/dashboards/rules"
)

func main() {
	s := rules.Default()
	dir := flag.String("dir", ".", "directory to write to; other files in it stay")
	flag.IntVar(&s.Scale, "scale", s.Scale, "divides every window")
	flag.StringVar(&s.Grafana, "grafana", s.Grafana, "base URL of links to dashboards")
	flag.StringVar(&s.Runbooks, "runbooks", s.Runbooks, "base URL of runbooks; NAME.md follows, with the alert's name")
	flag.StringVar(&s.ScrapeJob, "job", s.ScrapeJob, "name of the scrape job of Modtap's page")
	flag.IntVar(&s.MinRequests, "min-requests", s.MinRequests, "requests that a window needs before a ratio of them counts")
	flag.IntVar(&s.MinFailures, "min-failures", s.MinFailures, "bad requests among them that an alert needs")
	flag.IntVar(&s.MinQuestions, "min-questions", s.MinQuestions, "lists and queries in an hour that an amplification needs")
	flag.IntVar(&s.MinAttempts, "min-attempts", s.MinAttempts, "requests to an upstream that its alerts need in their short window")
	flag.IntVar(&s.MinSends, "min-sends", s.MinSends, "attempts to send that an exporter's alert needs")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unknown argument %q: name the directory with -dir\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := rules.Write(*dir, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
