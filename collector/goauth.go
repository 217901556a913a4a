// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/modtap/modtap/internal/goauth"
)

func newGoauthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "goauth [https://PREFIX]...",
		Short: "Answer the go command as a GOAUTH command: one trace for each build",
		Long: "As a GOAUTH command (go help goauth) it has the go command send a traceparent and the identity of\n" +
			"its CI job to the named prefixes, else to the first of GOPROXY. modtap-goauth does the same and\n" +
			"starts faster.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if goauth.Main(args, os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()) != 0 {
				return errors.New("goauth: nothing to send")
			}
			return nil
		},
	}
}
