// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"
)

// errStopped is returned if the collector ended without having been asked to.
var errStopped = errors.New("stopped by the error logged above")

func newRunCommand(e *effective) *cobra.Command {
	from := &sources{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the proxy and tell what happens",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd, from, e) },
	}
	from.addFlags(cmd)
	return cmd
}

func run(cmd *cobra.Command, from *sources, e *effective) error {
	tuneMemory()
	given := os.Getenv("MODTAP_LOG")
	if err := setDefaults(); err != nil {
		return err
	}
	uris, err := from.uris()
	if err != nil {
		return err
	}
	lock, err := lockData(os.Getenv("MODTAP_DATA"))
	if err != nil {
		return err
	}
	defer lock.Close()

	queues, err := guardQueues(cmd.Context(), os.Getenv("MODTAP_DATA"))
	if err != nil {
		return err
	}
	told, held := &places{}, &gate{}
	col, err := otelcol.NewCollector(newSettings(uris, e, told.announce, held, queues))
	if err != nil {
		return err
	}
	// The end is asked for by Shutdown, not by this context: its cancellation would cut short what still starts.
	ctx, done := context.WithCancel(context.WithoutCancel(cmd.Context()))
	var asked atomic.Bool
	var helpers sync.WaitGroup
	helpers.Go(func() {
		if awaitStop(ctx, cmd.Context()) {
			asked.Store(true)
			col.Shutdown()
		}
	})
	helpers.Go(func() {
		if awaitRunning(ctx, col) {
			held.release()
			for _, found := range queues.All {
				fmt.Fprintln(cmd.ErrOrStderr(), "modtap: warning:", found)
			}
			for _, line := range withoutEffect(uris, given) {
				fmt.Fprintln(cmd.ErrOrStderr(), "modtap: warning:", line)
			}
			welcome(cmd.ErrOrStderr(), currentVersion(), told.all(e))
		}
	})
	err = col.Run(ctx)
	done()
	helpers.Wait()
	if err == nil && !asked.Load() {
		return errStopped
	}
	return err
}

// awaitStop returns true once the user asks for the end, with a signal or
// through asking; false if ctx ends first. From then on a second signal has
// its default effect: it ends the process at once.
func awaitStop(ctx, asking context.Context) bool {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	select {
	case <-signals:
		return true
	case <-asking.Done():
		return true
	case <-ctx.Done():
		return false
	}
}

// awaitRunning returns true once every component has started; false if ctx
// ends first. The collector tells its state only to those who ask.
func awaitRunning(ctx context.Context, col *otelcol.Collector) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for col.GetState() == otelcol.StateStarting {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return col.GetState() == otelcol.StateRunning
}
