// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modtap/modtap/internal/child"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

// maxSaid bounds what is kept of what a go command prints: a list of versions is the
// longest, some hundred kilobytes.
const maxSaid = 16 << 20

// told is what a go command tells with -json, of go mod download and of go list -m.
type told struct {
	Version          string
	Time             time.Time
	Versions         []string
	Info, GoMod, Zip string // Paths of files.
	Error            any    // A text, or an object in a list.
}

func (d *GoDirect) fetch(ctx context.Context, r protocol.Request, file string) (map[string]io.ReadSeekCloser, error) {
	switch r.Operation {
	case protocol.List:
		said, err := d.run(ctx, r, "list", "-m", "-json", "-versions", r.Module+"@latest")
		if err != nil {
			return nil, err
		}
		return map[string]io.ReadSeekCloser{file: inMemory([]byte(lines(said.Versions)))}, nil
	case protocol.Latest, protocol.Query:
		query := r.Version
		if r.Operation == protocol.Latest {
			query = "latest"
		}
		said, err := d.run(ctx, r, "list", "-m", "-json", r.Module+"@"+query)
		if err != nil {
			return nil, err
		}
		info, err := infoFile(said)
		return map[string]io.ReadSeekCloser{file: inMemory(info)}, err
	default:
		if err := module.Check(r.Module, r.Version); err != nil || module.CanonicalVersion(r.Version) != r.Version {
			return nil, errNotFound(r.Module + "@" + r.Version + " is no version of a module in its canonical form")
		}
		return d.download(ctx, r, file)
	}
}

// download fetches the files of a version. go mod download refuses the zip of a
// version that needs a newer Go, but has its other files by then.
func (d *GoDirect) download(ctx context.Context, r protocol.Request, file string) (map[string]io.ReadSeekCloser, error) {
	stem, ext := file[:strings.LastIndexByte(file, '.')], filepath.Ext(file)
	said, err := d.run(ctx, r, "mod", "download", "-json", r.Module+"@"+r.Version)
	if err != nil && (ext == ".zip" || !isTooNew(err) || said.Info == "" || said.GoMod == "") {
		return nil, err
	}
	return openFiles(stem, said)
}

func openFiles(stem string, said *told) (files map[string]io.ReadSeekCloser, err error) {
	files = make(map[string]io.ReadSeekCloser, 3)
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close() // Read only.
			}
		}
	}()
	for ext, name := range map[string]string{".mod": said.GoMod, ".zip": said.Zip} {
		if name == "" {
			continue
		}
		if files[stem+ext], err = os.Open(name); err != nil {
			delete(files, stem+ext)
			return nil, Stop(err)
		}
	}
	content, err := os.ReadFile(said.Info)
	if err != nil {
		return nil, Stop(err)
	}
	of := new(told)
	if err = json.Unmarshal(content, of); err != nil {
		return nil, Stop(err)
	}
	if content, err = infoFile(of); err != nil {
		return nil, err
	}
	files[stem+".info"] = inMemory(content)
	return files, nil
}

// infoFile is an .info (https://go.dev/ref/mod#goproxy-protocol).
func infoFile(t *told) ([]byte, error) {
	if !semver.IsValid(t.Version) {
		return nil, &directFault{word: exchange.ErrorBadResponse, text: "the go command tells no version"}
	}
	return json.Marshal(struct {
		Version string
		Time    time.Time
	}{t.Version, t.Time.UTC()})
}

// lines is a list as the protocol has it: versions that have a tag, sorted.
func lines(versions []string) string {
	versions = slices.DeleteFunc(versions, func(v string) bool { return !semver.IsValid(v) || module.IsPseudoVersion(v) })
	semver.Sort(versions)
	if len(versions) == 0 {
		return ""
	}
	return strings.Join(versions, "\n") + "\n"
}

// memory is a file that is held in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func inMemory(b []byte) io.ReadSeekCloser { return memory{bytes.NewReader(b)} }

// run runs a go command in a folder of its own and returns what it told. An error
// from beyond the machine is one of [judgeDirect]; what was told is never nil.
func (d *GoDirect) run(ctx context.Context, r protocol.Request, args ...string) (*told, error) {
	dir, err := os.MkdirTemp(d.settings.TempDir, "modtap-direct-")
	if err != nil {
		return new(told), Stop(err)
	}
	defer os.RemoveAll(dir)
	// Without a go.mod of its own the command would take one from a folder above.
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module modtap.invalid\n\ngo 1.16\n"), 0o600); err != nil {
		return new(told), Stop(err)
	}
	// With -x it tells which version control it asks, besides.
	x := slices.Index(args, "-json")
	cmd := child.Command(ctx, "go", slices.Insert(slices.Clone(args), x, "-x")...)
	cmd.Dir, cmd.Env = dir, d.environment()
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := child.Run(cmd)
	said := new(told)
	if ctx.Err() != nil {
		return said, context.Cause(ctx)
	}
	if err := json.Unmarshal(stdout.Bytes(), said); err != nil && failed == nil {
		return said, &directFault{word: exchange.ErrorBadResponse, text: "what the go command tells can't be read: " + err.Error()}
	}
	rest, trace := untraced(stderr.String())
	text, _ := said.Error.(string)
	if text == "" && failed != nil {
		text = cmp.Or(rest, failed.Error())
	}
	if text == "" {
		return said, nil
	}
	text = strings.NewReplacer(d.settings.ModCache, "$GOMODCACHE", dir, "$PWD").Replace(strings.TrimPrefix(text, "go: "))
	err = judgeDirect(text, r.Module, r.Version)
	if errors.Is(err, fs.ErrNotExist) {
		err = cmp.Or(d.reached(ctx, r, trace), err)
	}
	return said, err
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	_, err := l.Buffer.Write(p[:min(len(p), max(0, maxSaid-l.Len()))])
	return len(p), err
}

// environment is that of a go command: the user's, but for what decides where a module
// comes from, in which words it is told and whether somebody is asked for a password.
func (d *GoDirect) environment() []string {
	env := append(os.Environ(),
		"GO111MODULE=on", "GOPROXY=direct", "GONOPROXY=", "GOSUMDB=off", "GONOSUMDB=", "GOPRIVATE=",
		"GOMODCACHE="+d.settings.ModCache, "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off",
		"LC_ALL=C", "LANG=C", "LANGUAGE=C", "GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never",
	)
	if os.Getenv("USER") == "" {
		env = append(env, "USER=modtap") // Fossil clones nothing for nobody, and a service has no user's name.
	}
	return withGitConfig(env,
		// What git does behind the back of its caller would outlive the fetch.
		"gc.autoDetach", "false", "maintenance.autoDetach", "false",
	)
}
