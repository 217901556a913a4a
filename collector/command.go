// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package collector is the Modtap distribution of the OpenTelemetry Collector:
// which components it has, the configurations embedded in it, and the command.
package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/collector/stdio"
	"github.com/modtap/modtap/internal/suggest"
)

// Main runs the modtap command and ends the process: with 0 after an orderly
// end, with 1 if it can't start or something it can't go on without broke.
func Main() {
	stderr, giveBack := stdio.Take()
	code := execute(context.Background(), os.Args[1:], os.Stdout, stderr)
	giveBack()
	os.Exit(code)
}

// execute runs the command and returns the process's exit code. What stopped
// it is one line on stderr.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stderr = safeWriter{stderr}
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
	root.SetFlagErrorFunc(flagFault)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpTemplate(root.HelpTemplate() + `{{if or (eq .Name "modtap") (eq .Name "run")}}` + variablesHelp() + `{{end}}`)
	root.AddCommand(newRunCommand(e), newValidateCommand(e), newComponentsCommand(), newGoauthCommand(), newHealthCommand(), newVersionCommand(), newQueueCommand())
	return root
}

// variablesHelp lists the variables for people.
func variablesHelp() string {
	var b strings.Builder
	b.WriteString("\nEnvironment variables, each with its default behind the semicolon; an empty one counts as unset:\n")
	for _, v := range config.Variables {
		fmt.Fprintf(&b, "  %-23s %s\n", v.Name, v.Help())
	}
	return b.String()
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
	if slices.Contains(uris, "") {
		return nil, &config.Error{Key: "--config", Reason: "empty", Cure: "name a file, or modtap:base for the embedded configuration"}
	}
	for _, set := range s.sets {
		uri, err := config.Setting(set)
		if err != nil {
			return nil, err
		}
		uris = append(uris, uri)
	}
	return uris, nil
}

// noArguments refuses what stands behind a command: most likely a mistyped one.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var there []string
	for _, sub := range cmd.Root().Commands() {
		if sub.IsAvailableCommand() {
			there = append(there, sub.Name())
		}
	}
	fault := &config.Error{Key: args[0], Reason: cmd.CommandPath() + " takes no argument", Cure: "see " + cmd.CommandPath() + " --help"}
	switch {
	case strings.ContainsAny(args[0], "./:"):
		fault.Cure = "did you mean --config " + args[0] + "?"
	case cmd == cmd.Root():
		fault.Reason, fault.Cure = "no such command", suggest.Among(args[0], there)
	}
	return fault
}

// flagFault says which flag was meant.
func flagFault(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &config.Error{Key: cmd.CommandPath(), Reason: err.Error(), Cure: "see " + cmd.CommandPath() + " --help"}
	}
	var there []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { there = append(there, "--"+f.Name) })
	name := "--" + unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		name = name[1:]
	}
	return &config.Error{Key: name, Reason: "no such flag of " + cmd.CommandPath(), Cure: suggest.DidYouMean(name, there, "see "+cmd.CommandPath()+" --help")}
}
