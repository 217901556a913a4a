// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/collector/queuefile"
)

// newComponentsCommand returns upstream's command of that name, for our components.
func newComponentsCommand() *cobra.Command {
	upstream := otelcol.NewCommand(newSettings(nil, &effective{}, (&places{}).announce, &gate{}, &queuefile.Findings{}))
	for _, cmd := range upstream.Commands() {
		if cmd.Name() == "components" {
			upstream.RemoveCommand(cmd)
			cmd.Short = "List the components that configurations may use"
			return cmd
		}
	}
	return nil
}
