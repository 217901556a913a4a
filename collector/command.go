// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package collector is the Modtap distribution of the OpenTelemetry Collector:
// which components it has, the configurations embedded in it, and the command.
package collector

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Main runs the modtap command and ends the process: with 0 after an orderly
// end, with 1 if it can't start or something it can't go on without broke.
func Main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs the command and returns the process's exit code. What stopped
// it is one line on stderr.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	known := &effective{}
	cmd := newCommand(known) //nolint:contextcheck // cobra hands its commands the context of Execute
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "modtap: %s\n", describe(err, known))
		return 1
	}
	return 0
}

func newCommand(e *effective) *cobra.Command {
	root := newRunCommand(e)
	root.Use = "modtap"
	root.Short = "An observability sidecar for Go module proxies"
	root.Long = "Modtap stands in the traffic of a Go module proxy, or is one, and tells what happened\n" +
		"as traces, metrics and logs. Without a subcommand it runs: modtap is modtap run."
	root.Version = currentVersion()
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRunCommand(e), newValidateCommand(e), newComponentsCommand(), newGoauthCommand(), newHealthCommand(), newVersionCommand(), newQueueCommand())
	return root
}

// sources are the places that a configuration is merged from.
type sources struct {
	configs []string
	sets    []string
}

func (s *sources) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.configs, "config", nil,
		"a configuration to merge, in order: a file, or modtap:NAME for an embedded one (default: what the MODTAP_ variables ask for)")
	cmd.Flags().StringArrayVar(&s.sets, "set", nil,
		"one setting, stronger than any configuration: receivers.goproxy.service_name=athens")
}

// uris returns the addresses of the configurations to merge.
func (s *sources) uris() ([]string, error) {
	uris := s.configs
	if len(uris) == 0 {
		var err error
		if uris, err = fragments(); err != nil {
			return nil, err
		}
	}
	for _, set := range s.sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s: no equal sign; write KEY=VALUE", set)
		}
		uris = append(uris, "yaml:"+strings.ReplaceAll(strings.TrimSpace(key), ".", "::")+": "+strings.TrimSpace(value))
	}
	return uris, nil
}
