// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNobodyReads is case 27 to the last line: a reader of standard error that is gone
// changes no exit code.
func TestNobodyReads(t *testing.T) {
	for _, args := range []string{"nonsense", "run --config missing.yaml", "validate --config missing.yaml", "health --nonsense"} {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, read.Close())
		cmd := exec.Command(os.Args[0], strings.Fields(args)...)
		cmd.Env = append(os.Environ(), asModtap+"=1", "MODTAP_DATA="+t.TempDir())
		cmd.Stderr = write
		err = cmd.Run()
		require.NoError(t, write.Close())
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, args)
		assert.Equal(t, 1, exit.ExitCode(), "%s: %v", args, err)
	}
}
