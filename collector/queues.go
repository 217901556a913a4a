// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/collector/queuefile"
	"github.com/modtap/modtap/internal/statefile"
)

// guardQueues checks the files in which exporters keep what waits, where modtap:base has them, before the collector opens them. A
// broken one never stops the start; one that may not be read does, because its data are sound. Such a fault is a [*config.Error].
func guardQueues(ctx context.Context, data string) (*queuefile.Findings, error) {
	if err := checkQueueLinks(data); err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	found, err := queuefile.Guard(ctx, binary, filepath.Join(data, "queue"))
	if forbidden, ok := errors.AsType[*queuefile.ForbiddenError](err); ok {
		return nil, &config.Error{
			Key:    "MODTAP_DATA",
			Reason: forbidden.Error(),
			Cure:   "give the file to the user that runs Modtap, or move it away to go without what waits in it",
		}
	}
	if errors.Is(err, syscall.ENOTDIR) {
		err = nil // The store says so with its key.
	}
	return &queuefile.Findings{All: found}, err
}

// checkQueueLinks refuses a link of another user's in the place of the queues' folder or of
// a file in it: the store, which isn't ours, would follow it.
func checkQueueLinks(data string) error {
	dir := filepath.Join(data, "queue")
	entries, _ := os.ReadDir(dir) // There is none yet, or the store says what is wrong.
	paths := []string{dir}
	for _, entry := range entries {
		paths = append(paths, filepath.Join(dir, entry.Name()))
	}
	for _, path := range paths {
		if err := statefile.Follow(path); err != nil {
			reason, cure, _ := strings.Cut(err.Error(), "; ")
			return &config.Error{Key: "MODTAP_DATA", Reason: reason, Cure: cure}
		}
	}
	return nil
}

// newQueueCommand returns the command that guardQueues runs in child processes.
func newQueueCommand() *cobra.Command {
	return &cobra.Command{
		Use:    queuefile.Command,
		Short:  "Check a queue file (Modtap runs this itself)",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return queuefile.Child(args, cmd.OutOrStdout())
		},
	}
}
