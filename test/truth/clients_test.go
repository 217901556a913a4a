// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
)

// fresh returns n modules that weren't asked for before.
func (w *world) fresh(n int, kind string) []module.Version {
	list := make([]module.Version, n)
	for i := range list {
		w.number++
		list[i] = module.Version{Path: fmt.Sprintf("example.com/%s/m%03d", kind, w.number), Version: versions[w.random.IntN(len(versions))]}
	}
	return list
}

// some returns a random half of a list, at least one, in random order.
func (w *world) some(list []module.Version) []module.Version {
	out := make([]module.Version, 0, len(list))
	for _, i := range w.random.Perm(len(list))[:max(1, len(list)/2)] {
		out = append(out, list[i])
	}
	return out
}

func file(m module.Version, ext string) string {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		panic(err) // of a generated path
	}
	return "/" + path + "/@v/" + m.Version + ext
}

// files are the paths of all files of modules.
func files(list []module.Version) (paths []string) {
	for _, m := range list {
		paths = append(paths, file(m, ".info"), file(m, ".mod"), file(m, ".zip"))
	}
	return paths
}

// download lets one go command for each list download it into an empty module cache, all at once.
func (w *world) download(lists ...[]module.Version) {
	w.t.Helper()
	for i, err := range w.try(lists...) {
		if w.subject.family == athens { // it writes its files in place: who reads one meanwhile, or after a kill, gets a part of it
			if err != nil {
				w.t.Log(err)
			}
			continue
		}
		assert.NoError(w.t, err, "go command %d", i)
	}
}

// try is download where it may fail.
func (w *world) try(lists ...[]module.Version) []error {
	failed := make([]error, len(lists))
	var commands sync.WaitGroup
	for i, list := range lists {
		commands.Go(func() { failed[i] = w.command(list) })
	}
	commands.Wait()
	return failed
}

func (w *world) command(list []module.Version) error {
	dir, err := os.MkdirTemp("", "modtap-truth-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text := []byte("module example.com/build\n\ngo 1.26\n\nrequire (\n")
	for _, m := range list {
		text = fmt.Appendf(text, "\t%s %s\n", m.Path, m.Version)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), append(text, ")\n"...), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "download")
	cmd.Dir = dir
	// GOPATH, not GOMODCACHE: it also keeps what is known of each checksum database, whose address another may have later.
	cmd.Env = append(os.Environ(), "GOMODCACHE=", "GOPATH="+filepath.Join(dir, "gopath"), "GOFLAGS=-modcacherw", "GOWORK=off", "GOENV=off", "GOTOOLCHAIN=local",
		"GOPROXY="+w.client.url, "GOSUMDB="+w.origin.gosumdb, "GONOSUMDB=none", "GONOPROXY=none", "GOPRIVATE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go mod download: %w\n%s", err, out)
	}
	return nil
}

// patience is how long a client waits that isn't meant to leave.
const patience = 40 * time.Second

// ask asks for paths, all at once, each on a connection of its own; a client leaves after wait. Header lines are NAME: value.
func (w *world) ask(wait time.Duration, paths []string, header ...string) {
	w.t.Helper()
	w.send(http.MethodGet, wait, paths, header...)
}

// send is ask with any method.
func (w *world) send(method string, wait time.Duration, paths []string, header ...string) {
	w.t.Helper()
	var asking sync.WaitGroup
	for _, path := range paths {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(w.t.Context(), wait)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, method, w.client.url+path, http.NoBody)
			if err != nil {
				w.t.Error(err)
				return
			}
			request.Header.Set("User-Agent", "Go-http-client/1.1")
			for _, line := range header {
				name, value, _ := strings.Cut(line, ": ")
				request.Header.Set(name, value)
			}
			response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
			if err != nil {
				return
			}
			defer response.Body.Close()
			_, _ = io.Copy(io.Discard, response.Body)
		})
	}
	asking.Wait()
}

// askEach asks for paths one after the other.
func (w *world) askEach(paths []string, header ...string) {
	w.t.Helper()
	for _, path := range paths {
		w.ask(patience, []string{path}, header...)
	}
}

// shuffled returns paths, each of them times over, in random order.
func (w *world) shuffled(paths []string, times int) []string {
	out := make([]string, 0, times*len(paths))
	for range times {
		out = append(out, paths...)
	}
	w.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// removeSome deletes about one of n files of modules from the proxy's disk.
func (w *world) removeSome(list []module.Version, n int) {
	for _, path := range files(list) {
		if w.random.IntN(n) == 0 {
			w.remove(path)
		}
	}
}

// idle waits until no request is under way at any tap.
func (w *world) idle() {
	require.Eventually(w.t, w.seen.over, time.Minute, 20*time.Millisecond, "the end of all requests")
}
