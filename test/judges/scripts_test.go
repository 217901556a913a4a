// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"

	"github.com/modtap/modtap/test/backends"
)

// about are the names of the scripts that are about modules.
var about = regexp.MustCompile(`mod_|get_|sum|gotoolchain|proxy|govcs|list_|work_|install_|download|malformed|auth|goauth`)

// settings are words of scripts that choose where modules or toolchains come from.
var settings = regexp.MustCompile(`GOPROXY|GOSUMDB|TESTGO_VERSION|(?i:toolchain)`)

// scripts returns the names of the go command's scripts about modules, and which of them can ask a proxy: they name a host of the test
// proxy's modules, or choose a source. The others build and list what is on disk.
func scripts(t *testing.T, dir string) (all, asking []string) {
	t.Helper()
	hosts := proxied(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "testdata", "script", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if !about.MatchString(name) {
			continue
		}
		all = append(all, name)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if settings.Match(text) || slices.ContainsFunc(hosts, func(host string) bool { return strings.Contains(string(text), host) }) {
			asking = append(asking, name)
		}
	}
	return all, asking
}

// proxied returns what names the test proxy's modules: their hosts, or where GOROOT vendors modules of the same host, their whole paths.
func proxied(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "testdata", "mod", "*.txt"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, file := range files {
		escaped, _, _ := strings.Cut(filepath.Base(file), "_v")
		path, err := module.UnescapePath(strings.ReplaceAll(escaped, "_", "/"))
		if err != nil {
			continue // made to be no path
		}
		if host, _, _ := strings.Cut(path, "/"); host != "golang.org" {
			path = host
		}
		names[path] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// results says how each script ended.
type results map[string]string

const (
	passed  = "PASS"
	failed  = "FAIL"
	skipped = "SKIP"
)

// named returns the scripts that ended so, sorted.
func (r results) named(ending string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if r[name] == ending {
			names = append(names, name)
		}
	}
	return names
}

// ended is the line of a script's end; what other goroutines print may stand before it.
var ended = regexp.MustCompile(`--- (PASS|FAIL|SKIP): TestScript/(\S+) \(`)

// run runs scripts with a GOPROXY and returns how they ended, and what they printed.
func run(t *testing.T, tests backends.GoCommandTests, goproxy string, names []string) (results, []byte) {
	t.Helper()
	if len(names) == 0 {
		return results{}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := tests.Command(ctx, goproxy, "-test.v", "-test.timeout=19m", "-test.run=^TestScript$/^("+strings.Join(names, "|")+")$")
	out, err := cmd.CombinedOutput()
	found := results{}
	for _, m := range ended.FindAllSubmatch(out, -1) {
		found[string(m[2])] = string(m[1])
	}
	require.Len(t, found, len(names), "each script has an end (%v):\n%s", err, out[max(0, len(out)-4000):])
	return found, out
}

func TestScriptsThatAsk(t *testing.T) {
	all, asking := scripts(t, backends.GoCommand(t).Dir)
	assert.Greater(t, len(all), 400)
	assert.Greater(t, len(asking), 300)
	assert.Subset(t, all, asking)
	assert.Contains(t, asking, "mod_get_patch")
	assert.Contains(t, asking, "gotoolchain_net")
	assert.NotContains(t, asking, "list_std", "it lists what is in GOROOT")
}
