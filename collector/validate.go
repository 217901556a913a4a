// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/modtap/modtap/collector/queuefile"
)

// newValidateCommand returns the command that checks a configuration without running
// it, and says what a start would: it opens no port, makes no file, and neither creates
// nor locks the data directory.
func newValidateCommand(e *effective) *cobra.Command {
	from := &sources{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a configuration without running it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := os.Getenv("MODTAP_LOG")
			if err := setDefaults(); err != nil {
				return err
			}
			uris, err := from.uris()
			if err != nil {
				return err
			}
			if err := checkData(os.Getenv("MODTAP_DATA")); err != nil {
				return err
			}
			read, err := configure(cmd.Context(), newSettings(uris, e, (&places{}).announce, &gate{}, &queuefile.Findings{}))
			if err != nil {
				return err
			}
			err = read.validate(cmd.Context())
			if err == nil {
				err = read.rehearse(cmd.Context())
			}
			var inUse []string
			if err == nil {
				inUse, err = checkPorts(e)
			}
			if err := errors.Join(err, read.close(cmd.Context())); err != nil {
				return err
			}
			warn(cmd.ErrOrStderr(), append(doubts(uris, given, read.config), inUse...)...)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "configuration is valid:", counts(read.config))
			return err
		},
	}
	from.addFlags(cmd)
	return cmd
}
