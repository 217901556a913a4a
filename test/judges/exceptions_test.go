// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package judges

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:embed exceptions.txt
var exceptionsText string

// exceptions are the scripts that pass without Modtap and fail in a mode, each with its reason.
type exceptions map[string]string

// exceptionsOf reads the exceptions of a mode: lines of mode, script and reason.
func exceptionsOf(text, mode string) (exceptions, error) {
	found := exceptions{}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) < 3 {
			return nil, fmt.Errorf("exceptions.txt:%d: %q is not a mode, a script and a reason", i+1, line)
		}
		if fields[0] == mode {
			found[fields[1]] = fields[2]
		}
	}
	return found, nil
}

// difference is what a mode came to against the control.
type difference struct {
	differ []string // passed without Modtap, failed with it
	news   []string // of these, what is no exception
	stale  []string // exceptions that passed
}

// compare judges a mode. Scripts that fail without Modtap count for nothing.
func compare(control, through results, known exceptions) (d difference) {
	for _, name := range through.named(failed) {
		if control[name] != passed {
			continue
		}
		d.differ = append(d.differ, name)
		if _, ok := known[name]; !ok {
			d.news = append(d.news, name)
		}
	}
	for name := range known {
		if through[name] == passed {
			d.stale = append(d.stale, name)
		}
	}
	slices.Sort(d.stale)
	return d
}

func TestCompare(t *testing.T) {
	control := results{"same": passed, "offline": failed, "broken": passed, "known": passed, "mended": passed}
	through := results{"same": passed, "offline": failed, "broken": failed, "known": failed, "mended": passed}
	d := compare(control, through, exceptions{"known": "its reason", "mended": "its reason"})
	assert.Equal(t, difference{differ: []string{"broken", "known"}, news: []string{"broken"}, stale: []string{"mended"}}, d)
}

func TestExceptions(t *testing.T) {
	found, err := exceptionsOf("# a comment\n\nembedded mod_x its reason\ninline mod_y another\n", "embedded")
	require.NoError(t, err)
	assert.Equal(t, exceptions{"mod_x": "its reason"}, found)
	_, err = exceptionsOf("embedded mod_x\n", "embedded")
	require.EqualError(t, err, `exceptions.txt:1: "embedded mod_x" is not a mode, a script and a reason`)

	for _, mode := range modes {
		_, err := exceptionsOf(exceptionsText, mode.name)
		require.NoError(t, err)
	}
}
