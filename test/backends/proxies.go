// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// AthensOptions configure Athens. The zero value fetches as this machine's go command does.
type AthensOptions struct {
	// Goproxy is the GOPROXY that Athens fetches from; empty: this machine's.
	Goproxy string
	// GoEnv are more variables (NAME=value, such as GONOSUMDB) for the go command that Athens runs. Its other variables come from
	// `go env`, as Athens hands on hardly any of its own environment.
	GoEnv []string
	// Env are variables for Athens itself, such as ATHENS_DOWNLOAD_MODE.
	Env []string
}

// Athens starts Athens with a disk storage; [Server.Dir] is its root.
func Athens(tb testing.TB, o AthensOptions) *Server {
	tb.Helper()
	dir := need(tb, athensRecipe)
	settings := goSettings(tb)
	if o.Goproxy != "" {
		settings = append(settings, "GOPROXY="+o.Goproxy)
	}
	settings = append(settings, o.GoEnv...)
	return launch(tb, athensRecipe.title, 1, func(root string, ports []int) plan {
		address := loopback(ports[0])
		return plan{
			command: command{
				path: filepath.Join(dir, "athens"),
				env: append([]string{
					"ATHENS_PORT=" + address,
					"ATHENS_STORAGE_TYPE=disk",
					"ATHENS_DISK_STORAGE_ROOT=" + filepath.Join(root, "data"),
					"ATHENS_GO_BINARY_ENV_VARS=" + strings.Join(settings, ";"),
				}, o.Env...),
			},
			url:   "http://" + address,
			ready: answers("http://" + address + "/readyz"),
		}
	})
}

// GoproxyOptions configure goproxy. The zero value fetches as this machine's go command does.
type GoproxyOptions struct {
	// Env are variables such as GOPROXY or GONOSUMDB (NAME=value).
	Env []string
	// Args are more arguments of `goproxy server`, such as --proxied-sumdbs.
	Args []string
}

// Goproxy starts goproxy/goproxy with a disk cache; [Server.Dir] is that cache.
func Goproxy(tb testing.TB, o GoproxyOptions) *Server {
	tb.Helper()
	dir := need(tb, goproxyRecipe)
	settings := append(goSettings(tb), o.Env...)
	return launch(tb, goproxyRecipe.title, 1, func(root string, ports []int) plan {
		address := loopback(ports[0])
		return plan{
			command: command{
				path: filepath.Join(dir, "goproxy"),
				args: append([]string{
					"server", "--address", address, "--cacher-dir", filepath.Join(root, "data"), "--temp-dir", filepath.Join(root, "tmp"),
				}, o.Args...),
				env: settings,
			},
			url:   "http://" + address,
			ready: accepts(address),
		}
	})
}

// goSettings returns where this machine's go command gets modules from, also what only `go env -w` knows.
func goSettings(tb TB) []string {
	tb.Helper()
	output, err := goEnv(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	var values map[string]string
	if err := json.Unmarshal(output, &values); err != nil {
		tb.Fatalf("answer of go env: %v", err)
	}
	settings := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		settings = append(settings, name+"="+values[name])
	}
	return settings
}

func goEnv(ctx context.Context) ([]byte, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "-json", "GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return output, nil
}
