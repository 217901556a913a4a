// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"math/rand/v2"
	"net"
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

// The ports that [FreePorts] draws from: below those that Linux gives to outgoing connections, which would else take one before its
// server has started.
const (
	firstPort = 16 << 10
	lastPort  = 32 << 10
)

// FreePorts returns distinct loopback ports on which nothing listens, for servers that name each other and so can't be started again on
// others. They are only likely to stay free.
func FreePorts(tb TB, n int) []int {
	tb.Helper()
	ports := make([]int, 0, n)
	for range 100 * n {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", loopback(port))
		if err != nil {
			continue
		}
		// Held until all are found, so that none is handed out twice.
		defer func() { _ = listener.Close() }()
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	tb.Fatalf("no %d free ports between %d and %d", n, firstPort, lastPort)
	return nil
}

// Answers is ready when a GET of a URL is answered with success.
func Answers(url string) func(context.Context) error { return answers(url) }
