// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// file is the compose file below the checkout's root.
var file = filepath.Join("deploy", "compose", "compose.yaml")

// Load reads deploy/compose/compose.yaml as docker compose does, strictly, with these variables in the place of the shell's. It returns an
// error for a key that the specification doesn't know and for a variable that the file requires.
func Load(ctx context.Context, root string, env map[string]string) (*types.Project, error) {
	variables := make([]string, 0, len(env))
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, file)}, cli.WithEnv(variables), cli.WithInterpolation(true),
		cli.WithConsistency(true), cli.WithNormalization(true), cli.WithResolvedPaths(true))
	if err != nil {
		return nil, fmt.Errorf("options for %s: %w", file, err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return project, nil
}

// Environment returns what this machine's go command is set to, the variables that compose.yaml takes from a shell.
func Environment(ctx context.Context) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "-json", "GOPROXY", "GOPRIVATE", "GONOSUMDB", "GOSUMDB").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var env map[string]string
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, fmt.Errorf("answer of go env: %w", err)
	}
	return env, nil
}
