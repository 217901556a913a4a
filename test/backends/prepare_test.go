// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verdict records how a test was ended.
type verdict struct {
	testing.TB
	fatal   string
	skipped bool
}

func (v *verdict) Helper()                           {}
func (v *verdict) Fatalf(format string, args ...any) { v.fatal = fmt.Sprintf(format, args...) }
func (v *verdict) SkipNow()                          { v.skipped = true }

func TestRefuse(t *testing.T) {
	missing := fmt.Errorf("Squid 6: %w", &lack{needs: "water"})
	for _, test := range []struct {
		name  string
		ci    string
		err   error
		fatal string
	}{
		{"a lack skips", "", missing, ""},
		{"a lack fails in CI", "true", missing, "Squid 6 can't be started: Squid 6: needs water"},
		{"a broken build fails", "", errors.New("exit status 1"), "Squid 6 can't be started: exit status 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CI", test.ci)
			v := &verdict{TB: t}
			var loud strings.Builder
			refuse(v, &loud, "Squid 6", test.err)
			assert.Equal(t, test.fatal, v.fatal)
			if test.fatal != "" {
				assert.False(t, v.skipped)
				assert.Empty(t, loud.String())
				return
			}
			assert.True(t, v.skipped)
			assert.Equal(t, "SKIPPED: TestRefuse/a_lack_skips: Squid 6 is missing (needs water): what this test shows is not tested\n", loud.String())
		})
	}
}

func TestToolThatCannotBeInstalledIsALack(t *testing.T) {
	_, err := tool{command: "modtap-no-such-tool", needs: "something else"}.path(t.Context())
	var missing *lack
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, "something else", missing.needs)
}

func TestToolThatFailsItsCheckIsMissing(t *testing.T) {
	_, found := tool{command: "sh", check: []string{"-c", "exit 1"}}.find(t.Context())
	assert.False(t, found)
	_, found = tool{command: "sh", check: []string{"-c", "exit 0"}}.find(t.Context())
	assert.True(t, found)
}

func TestForbidServices(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	restore, err := forbidServices(policy)
	require.NoError(t, err)
	info, err := os.Stat(policy)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&0o100, "executable")

	again, err := forbidServices(policy)
	require.NoError(t, err)
	require.NoError(t, again())
	assert.FileExists(t, policy, "one that was there stays")

	require.NoError(t, restore())
	assert.NoFileExists(t, policy)
}

func TestPrepareRefusesUnknownNames(t *testing.T) {
	require.ErrorContains(t, Prepare(t.Context(), "squid"), `unknown server "squid": one of goproxy, athens`)
}
