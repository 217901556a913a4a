// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/child"
)

func newRunCommand(e *effective) *cobra.Command {
	from := &sources{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the proxy and tell what happens",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd, from, e) },
	}
	from.addFlags(cmd)
	return cmd
}

func run(cmd *cobra.Command, from *sources, e *effective) error {
	tuneMemory()
	defer child.Reap()()
	stop := newStopper(cmd.Context(), cmd.ErrOrStderr())
	defer stop.close()
	given := os.Getenv("MODTAP_LOG")
	if err := setDefaults(); err != nil {
		return err
	}
	uris, err := from.uris()
	if err != nil {
		return err
	}
	lock, err := lockData(os.Getenv("MODTAP_DATA"), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer lock.Close()

	queues, err := guardQueues(cmd.Context(), os.Getenv("MODTAP_DATA"))
	if err != nil {
		return err
	}
	told, held := &places{}, &gate{}
	ctx := context.WithoutCancel(cmd.Context()) // a stop doesn't cut short what still starts
	read, err := configure(ctx, newSettings(uris, e, told.announce, held, queues))
	if err != nil {
		return err
	}
	running, err := read.start(ctx)
	if err != nil {
		return errors.Join(err, read.close(ctx))
	}
	held.release()
	for _, found := range queues.All {
		warn(cmd.ErrOrStderr(), found.String())
	}
	warn(cmd.ErrOrStderr(), doubts(uris, given, read.config)...)
	welcome(cmd.ErrOrStderr(), currentVersion(), told.all(e))
	watching, done := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { openFiles.watch(watching, read.config, cmd.ErrOrStderr()) })
	err = running.await(stop.asked)
	done()
	watch.Wait()
	return errors.Join(err, running.Shutdown(ctx), read.close(ctx))
}

// doubts are lines on what is configured but hardly meant. log is MODTAP_LOG before it had its default.
func doubts(uris []string, log string, cfg *otelcol.Config) []string {
	lines := slices.Concat(withoutEffect(uris, log), unused(cfg), forgetful(cfg))
	if doubt := config.JaegerDoubt(os.Getenv("MODTAP_JAEGER")); doubt != "" {
		lines = append(lines, doubt)
	}
	return lines
}

// warn prints what keeps nothing from working but is hardly meant.
func warn(w io.Writer, lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(w, "modtap: warning:", line)
	}
}
