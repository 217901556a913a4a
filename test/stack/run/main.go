// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command run starts the services of deploy/compose as processes, says where they are, and ends them on Ctrl-C or SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/modtap/modtap/test/stack"
)

func main() {
	published := flag.Bool("published", true, "listen on the published ports of compose.yaml; else on any that are free")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok := in(ctx, os.Stderr, func(s *session) {
		services := stack.Start(s, stack.Options{ //nolint:contextcheck // the session holds it
			Published: *published,
			Progress:  func(service string) { fmt.Fprintf(os.Stderr, "stack: starting %s\n", service) },
		})
		links(os.Stdout, services)
		<-ctx.Done()
		fmt.Fprintln(os.Stderr, "stack: ending; what it kept is removed")
	})
	stop()
	if !ok && ctx.Err() == nil {
		os.Exit(1)
	}
}

// links says what to open.
func links(w io.Writer, s *stack.Stack) {
	url := func(service string, port int) string { return s.Services[service].URL(port) }
	fmt.Fprintf(w, "\nThe stack runs. Send builds through it with\n\n  export GOPROXY=%s\n\nand, where Athens can't reach the checksum database (go says 502 while verifying), also\n\n  export GONOSUMDB='*'\n\n", url("modtap", 8081))
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"traces", url("jaeger", 16686) + "/api/traces?service=athens&limit=20"},
		{"metrics", url("modtap", 9464) + "/metrics"},
		{"queries and rules", url("prometheus", 9090) + "/api/v1/rules"},
		{"alerts", url("alertmanager", 9093) + "/api/v2/alerts"},
		{"documents", url("elasticsearch", 9200) + "/modtap-requests-*/_search?pretty"},
		{"health", url("modtap", 13133) + "/healthy"},
	} {
		fmt.Fprintf(t, "  %s\t%s\n", row[0], row[1])
	}
	_ = t.Flush() // to standard output
	fmt.Fprintf(w, "\nNot here, since they need a container daemon: %s.\nThe web pages of Jaeger,\nPrometheus and Alertmanager aren't built in: the links above answer with JSON. Ctrl-C ends it and removes what it kept.\n", strings.Join(s.Absent, ", "))
}
