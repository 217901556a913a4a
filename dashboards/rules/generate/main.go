// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command generate renders the rules into the working directory. With -scale 60 and another directory it renders them for a rehearsal in
// which hours are minutes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/modtap/modtap/dashboards/rules"
)

func main() {
	s := rules.Default()
	dir := flag.String("dir", ".", "directory to write to")
	flag.IntVar(&s.Scale, "scale", s.Scale, "divides every window")
	flag.StringVar(&s.Grafana, "grafana", s.Grafana, "base URL of links to dashboards")
	flag.StringVar(&s.Runbooks, "runbooks", s.Runbooks, "base URL of runbooks")
	flag.StringVar(&s.ScrapeJob, "job", s.ScrapeJob, "name of the scrape job of Modtap's page")
	flag.Parse()
	if err := generate(*dir, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate leaves no rule file in dir that isn't rendered now.
func generate(dir string, s rules.Settings) error {
	files, err := rules.Render(s)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if files[filepath.Base(path)] == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
