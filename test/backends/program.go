// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"path/filepath"
)

// Program is a server's executable before anything is configured.
type Program struct {
	// Path is the executable, Args are those that make it that server.
	Path string
	Args []string
}

// The programs that [Find] knows.
const (
	ProgramAlertmanager  = "alertmanager"
	ProgramAthens        = "athens"
	ProgramElasticsearch = "elasticsearch" // its arguments: data directory, HTTP port, transport port
	ProgramJaeger        = "jaeger"
	ProgramPrometheus    = "prometheus3"
)

// Find returns a program, built or installed if need be; one that can't be had ends the test.
func Find(tb TB, name string) Program {
	tb.Helper()
	switch name {
	case ProgramAlertmanager:
		return Program{Path: toolPath(tb, alertmanagerRecipe.title, alertmanagerTool)}
	case ProgramAthens:
		return Program{Path: filepath.Join(need(tb, athensRecipe), "athens")}
	case ProgramElasticsearch:
		return Program{Path: toolPath(tb, elasticsearchRecipe.title, javaTool), Args: searchArguments(need(tb, elasticsearchRecipe))}
	case ProgramJaeger:
		return Program{Path: filepath.Join(need(tb, jaegerRecipe), "jaeger")}
	case ProgramPrometheus:
		return Program{Path: filepath.Join(need(tb, prometheus3Recipe), "prometheus")}
	}
	tb.Fatalf("unknown program %q", name)
	return Program{}
}

// Launch starts a program with these arguments and variables (NAME=value), which name its addresses, and returns when ready returns
// nil. title names it in messages. It ends with the test.
func Launch(tb TB, title string, p Program, args, env []string, ready func(context.Context) error) *Server {
	tb.Helper()
	s, root := newServer(tb, title)
	all := append(append([]string{}, p.Args...), args...)
	s.follow(root, plan{command: command{path: p.Path, args: all, env: env}, ready: ready}, 1)
	s.check(s.start())
	return s
}

// Answers is ready when a GET of a URL is answered with success.
func Answers(url string) func(context.Context) error { return answers(url) }

// H2spec returns the path of h2spec, a judge of HTTP/2 servers.
func H2spec(tb TB) string {
	tb.Helper()
	return filepath.Join(need(tb, h2specRecipe), h2specRecipe.name)
}
