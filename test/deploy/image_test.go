// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// An image is what a Dockerfile makes: a root file system, and how to run it.
type image struct {
	root       string
	base       string // of the stage that compiled it
	env        map[string]string
	labels     map[string]string
	volumes    []string
	exposed    []string
	user       string
	stopSignal string
	entrypoint []string
	health     instruction
}

// builder does what the instructions say. The stage that compiles has this machine's go in place of the base image's.
type builder struct {
	context string
	ignored []string
	roots   map[string]string // of the stages that are done
	args    map[string]string // what docker build hands in
}

// build makes the image from the Dockerfile's two stages below dir.
func build(dockerfile, context, dir string) (*image, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return nil, &lack{"Go"}
	}
	stages, err := readDockerfile(dockerfile)
	if err != nil {
		return nil, err
	}
	if len(stages) != 2 || stages[1].base != "scratch" {
		return nil, fmt.Errorf("%s: not a stage that compiles and one from scratch", dockerfile)
	}
	ignored, err := readIgnored(dockerfile + ".dockerignore")
	if err != nil {
		return nil, err
	}
	b := &builder{context: context, ignored: ignored, roots: map[string]string{}, args: map[string]string{
		"BUILDPLATFORM": "linux/" + runtime.GOARCH, "TARGETOS": "linux", "TARGETARCH": runtime.GOARCH, "VERSION": "1.2.3-test", "REVISION": "0123abc",
	}}
	var made *image
	for n, s := range stages {
		made = &image{root: filepath.Join(dir, fmt.Sprintf("stage%d", n)), env: map[string]string{}, labels: map[string]string{}}
		if err := b.stage(s, made); err != nil {
			return nil, err
		}
		b.roots[s.name] = made.root
	}
	made.base = stages[0].base
	return made, nil
}

func (b *builder) stage(s stage, made *image) error {
	if err := os.Mkdir(made.root, 0o755); err != nil {
		return err
	}
	variables, workdir := map[string]string{}, "/"
	for _, i := range s.instructions {
		var list []string
		for _, word := range i.list {
			expanded, err := expand(word, variables)
			if err != nil {
				return err
			}
			list = append(list, expanded)
		}
		var err error
		switch i.word {
		case "ARG":
			name, value, hasDefault := strings.Cut(i.list[0], "=")
			if given, ok := b.args[name]; ok {
				variables[name] = given
			} else if hasDefault {
				variables[name] = value
			}
		case "ENV", "LABEL":
			into := map[string]map[string]string{"ENV": made.env, "LABEL": made.labels}[i.word]
			for _, pair := range list {
				name, value, _ := strings.Cut(pair, "=")
				into[name] = value
			}
		case "WORKDIR":
			workdir = list[0]
			err = os.MkdirAll(filepath.Join(made.root, workdir), 0o755)
		case "COPY":
			err = b.copy(i, list, made.root, workdir)
		case "RUN":
			err = run(i.text, made.root, workdir, variables)
		case "VOLUME":
			made.volumes = append(made.volumes, list...)
		case "EXPOSE":
			made.exposed = list
		case "USER":
			made.user = list[0]
		case "STOPSIGNAL":
			made.stopSignal = list[0]
		case "ENTRYPOINT":
			made.entrypoint = list
		case "HEALTHCHECK":
			made.health = i
		default:
			err = fmt.Errorf("%s: not known in a stage", i.word)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", i.word, i.text, err)
		}
	}
	return nil
}

// out is where the stage that compiles leaves what it makes.
var out = regexp.MustCompile(`(^|\s)/out/`)

// run has the shell do what is written, with /out below root.
func run(text, root, workdir string, variables map[string]string) error {
	if err := os.MkdirAll(filepath.Join(root, "out"), 0o755); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", out.ReplaceAllString(text, "${1}"+root+"/out/"))
	cmd.Dir = filepath.Join(root, workdir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOTOOLCHAIN=local")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		cmd.Env = append(cmd.Env, name+"="+variables[name])
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w:\n%s", err, text)
	}
	return nil
}

// certificates are the one thing that comes from the base image as it is: here, from this machine.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// copy copies files, and directories with what is in them, as the user that --chown names, else as root.
func (b *builder) copy(i instruction, list []string, root, workdir string) error {
	sources, to := list[:len(list)-1], list[len(list)-1]
	into := strings.HasSuffix(to, "/") || to == "."
	if !filepath.IsAbs(to) {
		to = filepath.Join(workdir, to)
	}
	from, ignored := b.context, b.ignored
	if name, ok := i.flags["from"]; ok {
		from, ignored = b.roots[name], nil
		if from == "" {
			return fmt.Errorf("no stage %q", name)
		}
	}
	owner, err := ids(i.flags["chown"])
	if err != nil {
		return err
	}
	for _, source := range sources {
		path, target := filepath.Join(from, source), filepath.Join(root, to)
		if source == certificates {
			if path = source; !exists(path) {
				return &lack{certificates + " (Debian package ca-certificates)"}
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if into && !info.IsDir() {
			target = filepath.Join(target, filepath.Base(source))
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), copyTree(path, target, ignored, owner)); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
