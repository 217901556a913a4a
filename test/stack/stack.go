// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/built"
	"github.com/modtap/modtap/test/port"
)

// Options say what a stack does differently from compose.yaml. The zero value changes nothing but the ports.
type Options struct {
	// Env are the variables that compose.yaml takes from a shell; nil: those of [Environment].
	Env map[string]string
	// Published listens on the published ports of compose.yaml; else all ports are ephemeral.
	Published bool
	// Edit returns what a mounted file shall hold; path is that in the container. Nil: what it holds.
	Edit func(service, path string, content []byte) []byte
	// Progress is told of each service before it is started. Nil: nothing is told.
	Progress func(service string)
}

// Stack is the running services.
type Stack struct {
	// Services are the running ones by name.
	Services map[string]*Service
	// Absent are the services that only a container daemon can run.
	Absent []string
	// Binary is the modtap that runs, built from this checkout.
	Binary string
}

// Service is a running service.
type Service struct {
	*backends.Server
	// Image is its image and tag, Runs what stands in for it.
	Image, Runs string

	place *place
}

// URL is where the service's port in the container answers HTTP, without a slash at the end.
func (s *Service) URL(port int) string { return "http://" + s.place.addresses[port] }

// Address is host:port of the service's port in the container.
func (s *Service) Address(port int) string { return s.place.addresses[port] }

// Start starts the services, each when those that it depends on are healthy, and ends them with the test. What fails ends the test.
func Start(tb backends.TB, o Options) *Stack {
	tb.Helper()
	root, err := checkout(tb.Context())
	check(tb, err)
	if o.Env == nil {
		o.Env, err = Environment(tb.Context())
		check(tb, err)
	}
	project, err := Load(tb.Context(), root, o.Env)
	check(tb, err)
	s := &Stack{Services: map[string]*Service{}}
	b := &builder{tb: tb, options: o, project: project, places: rewriter{}, stack: s}
	b.place(tb.TempDir())
	slices.Sort(s.Absent)
	s.Binary = build(tb, root)
	check(tb, project.ForEachService(slices.Sorted(maps.Keys(b.places)), func(name string, service *types.ServiceConfig) error {
		if o.Progress != nil {
			o.Progress(name)
		}
		return b.start(name, service)
	}))
	return s
}

// builder starts a stack.
type builder struct {
	tb      backends.TB
	options Options
	project *types.Project
	places  rewriter
	stack   *Stack
}

// place gives each service that can run its addresses and paths, before any is started: they name each other.
func (b *builder) place(root string) {
	needed := 0
	for _, service := range b.project.Services {
		img, _, _ := imageOf(service.Image)
		needed += len(b.ports(img, &service))
	}
	free := port.Hold(b.tb, needed)
	for name, service := range b.project.Services {
		img, _, ok := imageOf(service.Image)
		if !ok || len(service.Entrypoint) > 0 {
			b.stack.Absent = append(b.stack.Absent, name)
			continue
		}
		p := &place{service: name, addresses: map[int]string{}, paths: map[string]string{}}
		for _, port := range b.ports(img, &service) {
			p.addresses[port], free = loopback(free[0]), free[1:]
		}
		for _, port := range service.Ports {
			if b.options.Published {
				p.addresses[int(port.Target)] = b.published(name, port)
			}
		}
		for _, volume := range service.Volumes {
			p.paths[volume.Target] = filepath.Join(root, name, filepath.FromSlash(volume.Target))
		}
		b.places[name] = p
	}
}

// published is the address that the file publishes a port at, which has to be free.
func (b *builder) published(name string, port types.ServicePortConfig) string {
	address := net.JoinHostPort(port.HostIP, port.Published)
	listener, err := new(net.ListenConfig).Listen(b.tb.Context(), "tcp", address)
	if err != nil {
		b.tb.Fatalf("%s of %s, as %s has it: %v; end what listens there", address, name, file, err)
	}
	check(b.tb, listener.Close())
	return address
}

// ports are those in the container that a service listens on.
func (b *builder) ports(img image, service *types.ServiceConfig) []int {
	all := slices.Clone(img.ports)
	for _, text := range service.Expose {
		port, err := strconv.Atoi(text)
		check(b.tb, err)
		all = append(all, port)
	}
	for _, port := range service.Ports {
		all = append(all, int(port.Target))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (b *builder) start(name string, service *types.ServiceConfig) error {
	at := b.places[name]
	img, _, _ := imageOf(service.Image)
	for _, volume := range service.Volumes {
		if err := b.mount(at, volume); err != nil {
			return err
		}
	}
	var args []string
	if img.args != nil {
		args = img.args(at)
	}
	env := make([]string, 0, len(service.Environment))
	variables := maps.Clone(img.env)
	if variables == nil {
		variables = map[string]string{}
	}
	for key, value := range service.Environment {
		if value != nil {
			variables[key] = *value
		}
	}
	var faults error
	for key, value := range variables {
		rewritten, err := b.places.text(at, value)
		faults = errors.Join(faults, err)
		env = append(env, key+"="+rewritten)
	}
	for _, arg := range service.Command {
		rewritten, err := b.places.text(at, arg)
		faults = errors.Join(faults, err)
		args = append(args, rewritten)
	}
	if faults != nil {
		return faults
	}
	program := backends.Program{Path: b.stack.Binary}
	if img.program != "" {
		program = backends.Find(b.tb, img.program)
	}
	ready, err := b.healthy(at, img, program.Path, service.HealthCheck, env)
	if err != nil {
		return err
	}
	b.stack.Services[name] = &Service{
		Server: backends.Launch(b.tb, name, program, args, env, ready), Image: service.Image, Runs: img.runs, place: at,
	}
	return nil
}

func (b *builder) mount(at *place, volume types.ServiceVolumeConfig) error {
	if volume.Type != types.VolumeTypeBind {
		return os.MkdirAll(at.paths[volume.Target], 0o755)
	}
	var edit func(path string, content []byte) []byte
	if b.options.Edit != nil {
		edit = func(path string, content []byte) []byte { return b.options.Edit(at.service, path, content) }
	}
	return b.places.mount(at, volume.Source, volume.Target, edit)
}

// healthy is the health check of the file: the URL that it asks, or the program itself that it runs.
func (b *builder) healthy(at *place, img image, path string, h *types.HealthCheckConfig, env []string) (func(context.Context) error, error) {
	if h == nil || len(h.Test) < 2 || h.Test[0] != "CMD" {
		return nil, fmt.Errorf("service %s has no health check of the form [CMD, program, argument...]", at.service)
	}
	if h.Test[1] == img.binary {
		return func(ctx context.Context) error {
			command := exec.CommandContext(ctx, path, h.Test[2:]...)
			command.Env = append(os.Environ(), env...)
			if out, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSpace(string(out)), err)
			}
			return nil
		}, nil
	}
	for _, arg := range h.Test[2:] {
		if strings.HasPrefix(arg, "http://") {
			// A health check runs inside of the container.
			url, err := b.places.text(at, strings.Replace(arg, "//localhost:", "//"+at.service+":", 1))
			return backends.Answers(url), err
		}
	}
	return nil, fmt.Errorf("the health check of %s, %q, asks no URL", at.service, h.Test)
}

// build builds modtap as the README says.
func build(tb backends.TB, root string) string {
	tb.Helper()
	binary, err := built.Modtap(tb.Context(), root, tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return binary
}

// checkout finds the root of the checkout from wherever in it a test or a command runs.
func checkout(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("root of the checkout: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func check(tb backends.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
