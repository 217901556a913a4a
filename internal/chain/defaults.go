// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/modtap/modtap/internal/child"
)

// errNoUpstream is what a machine without go and without a setting is told.
var errNoUpstream = errors.New("no upstream: there is no go command here whose GOPROXY could be taken; set goproxy in the configuration or MODTAP_EGRESS_UPSTREAM")

// GoEnv returns the user's values of Go environment variables, those written with
// go env -w included. Without a go command the process's environment answers,
// where GONOPROXY and GONOSUMDB default to GOPRIVATE as they do in go; what is
// not set there is absent from the result.
func GoEnv(ctx context.Context, names ...string) (map[string]string, error) {
	env, err := goEnv(ctx, nil, names...)
	if !errors.Is(err, child.ErrNotFound) {
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
	path, err := child.LookPath("go")
	if err != nil {
		return nil, err
	}
	cmd := child.Command(ctx, path, append([]string{"env", "-json"}, names...)...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off"), set...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := child.Run(cmd); err != nil {
		return nil, fmt.Errorf("go env: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	env := make(map[string]string)
	if err := json.Unmarshal(stdout.Bytes(), &env); err != nil {
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
	if errors.Is(err, child.ErrNotFound) {
		return "", errNoUpstream
	}
	return env["GOPROXY"], err
}

// Upstream is what [Resolve] found.
type Upstream struct {
	List List
	// LeftOut names the elements that are listeners of our own, or the proxy beside us.
	LeftOut []string
	// Builtin is true where nothing else was left and go's own default was taken.
	Builtin bool
}

// Resolve parses written, the list that was written for Modtap, or the user's GOPROXY
// if it is empty, without the elements that lead back to us (see [List.Without]).
// If users, the user's GOPROXY, is empty too, [Default] is asked. If nothing remains of
// the user's, as after pasting our own export line, go's own default is taken. What was
// written for Modtap is never replaced by it: where modules may be asked for isn't
// ours to say, least of all when it is the public.
func Resolve(ctx context.Context, written, users string, own []string) (Upstream, error) {
	goproxy := cmp.Or(written, users)
	if goproxy == "" {
		var err error
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
	if written != "" {
		return Upstream{}, fmt.Errorf("%s leads back to Modtap itself, and nothing else is in the list; name where modules come from", strings.Join(u.LeftOut, ", "))
	}
	if goproxy, err = Builtin(ctx); err != nil {
		return Upstream{}, err
	}
	u.Builtin = true
	u.List, err = Parse(goproxy)
	return u, err
}
