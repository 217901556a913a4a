// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/collector/queuefile"
)

// newValidateCommand returns the command that checks a configuration without
// running it: it opens no port, and neither creates nor locks the data directory.
func newValidateCommand(e *effective) *cobra.Command {
	from := &sources{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a configuration without running it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := setDefaults(); err != nil {
				return err
			}
			uris, err := from.uris()
			if err != nil {
				return err
			}
			col, err := otelcol.NewCollector(newSettings(uris, e, (&places{}).announce, &gate{}, &queuefile.Findings{}))
			if err != nil {
				return err
			}
			return col.DryRun(cmd.Context())
		},
	}
	from.addFlags(cmd)
	return cmd
}
