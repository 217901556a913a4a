// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"encoding/json"
	"fmt"
	"io"
)

// Command is the hidden subcommand that [Guard] runs the modtap binary with: [Child] does what its arguments say.
const Command = "queue-file"

const (
	doCheck   = "check"
	doSalvage = "salvage"
)

// Child checks a queue file (check FILE) or salvages one (salvage FILE FRESH), and writes the result as JSON.
func Child(args []string, out io.Writer) error {
	confine()
	switch {
	case len(args) == 2 && args[0] == doCheck:
		return json.NewEncoder(out).Encode(check(args[1]))
	case len(args) == 3 && args[0] == doSalvage:
		result, err := salvage(args[1], args[2])
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(result)
	default:
		return fmt.Errorf("%s: unknown arguments %q; Modtap runs this command itself", Command, args)
	}
}
