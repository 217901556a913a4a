// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// errNoUpstream is what a machine without go and without a setting is told.
var errNoUpstream = errors.New("no upstream: there is no go command here whose GOPROXY could be taken; set goproxy in the configuration or MODTAP_EGRESS_UPSTREAM")

// GoEnv returns the user's values of Go environment variables, those written with
// go env -w included. Without a go command the process's environment answers,
// where GONOPROXY and GONOSUMDB default to GOPRIVATE as they do in go; what is
// not set there is absent from the result.
func GoEnv(ctx context.Context, names ...string) (map[string]string, error) {
	env, err := goEnv(ctx, nil, names...)
	if !errors.Is(err, exec.ErrNotFound) {
		return env, err
	}
	env = make(map[string]string)
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			env[n] = v
		} else if private := os.Getenv("GOPRIVATE"); private != "" && (n == "GONOPROXY" || n == "GONOSUMDB") {
			env[n] = private
		}
	}
	return env, nil
}

// goEnv runs go env where no go.mod or go.work can ask for another toolchain,
// which would have to be downloaded first. Entries of set are added to the
// process's environment.
func goEnv(ctx context.Context, set []string, names ...string) (map[string]string, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"env", "-json"}, names...)...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off"), set...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	env := make(map[string]string)
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	return env, nil
}

// Default returns the user's GOPROXY, as go env tells it.
func Default(ctx context.Context) (string, error) {
	env, err := GoEnv(ctx, "GOPROXY")
	if err != nil {
		return "", err
	}
	if env["GOPROXY"] == "" {
		return "", errNoUpstream
	}
	return env["GOPROXY"], nil
}

// Builtin returns go's own default GOPROXY, whatever the user has set.
func Builtin(ctx context.Context) (string, error) {
	env, err := goEnv(ctx, []string{"GOPROXY=", "GOENV=off"}, "GOPROXY")
	if errors.Is(err, exec.ErrNotFound) {
		return "", errNoUpstream
	}
	return env["GOPROXY"], err
}

// Upstream is what [Resolve] found.
type Upstream struct {
	List List
	// LeftOut names the elements that are listeners of our own.
	LeftOut []string
	// Builtin is true where nothing else was left and go's own default was taken.
	Builtin bool
}

// Resolve parses goproxy, or the user's GOPROXY if it is empty, without the
// elements that are one of our own listen addresses. If nothing remains, as after
// pasting our own export line, go's own default is taken.
func Resolve(ctx context.Context, goproxy string, own []string) (Upstream, error) {
	var err error
	if goproxy == "" {
		if goproxy, err = Default(ctx); err != nil {
			return Upstream{}, err
		}
	}
	list, err := Parse(goproxy)
	if err != nil {
		return Upstream{}, err
	}
	var u Upstream
	if u.List, u.LeftOut = list.Without(own); len(u.List) > 0 {
		return u, nil
	}
	if goproxy, err = Builtin(ctx); err != nil {
		return Upstream{}, err
	}
	u.Builtin = true
	u.List, err = Parse(goproxy)
	return u, err
}
