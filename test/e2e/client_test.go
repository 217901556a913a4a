// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// modules is how many of Modtap's own dependencies the tests download.
const modules = 60

// module returns a go.mod that requires that many of Modtap's own dependencies.
func module(tb testing.TB) []byte {
	tb.Helper()
	return moduleOf(tb, modules)
}

func moduleOf(tb testing.TB, n int) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(tb, err)
	own, err := modfile.Parse("go.mod", text, nil)
	require.NoError(tb, err)
	m := new(modfile.File)
	require.NoError(tb, m.AddModuleStmt("example.com/downloads"))
	require.NoError(tb, m.AddGoStmt("1.26"))
	for _, r := range own.Require[:n] {
		require.NoError(tb, m.AddRequire(r.Mod.Path, r.Mod.Version))
	}
	out, err := m.Format()
	require.NoError(tb, err)
	return out
}

// client is a go command with a module and a module cache of its own.
type client struct {
	tb       testing.TB
	dir      string
	modcache string
	proxy    string // GOPROXY; empty: the user's
	env      []string
}

func newClient(tb testing.TB, proxy string, gomod []byte, env ...string) *client {
	tb.Helper()
	dir := tb.TempDir()
	c := &client{tb: tb, dir: filepath.Join(dir, "m"), modcache: filepath.Join(dir, "modcache"), proxy: proxy, env: env}
	require.NoError(tb, os.MkdirAll(c.dir, 0o755))
	require.NoError(tb, os.WriteFile(filepath.Join(c.dir, "go.mod"), gomod, 0o644))
	return c
}

// gets is a line of `go mod download -x` that carries a status: one request.
var gets = regexp.MustCompile(`(?m)^# get (\S+): (\d{3})\b`)

// download runs go mod download and returns how many requests it made.
func (c *client) download() int {
	c.tb.Helper()
	out, err := c.run("mod", "download", "-x")
	require.NoError(c.tb, err, "go mod download through %q:\n%s", c.proxy, tail(out))
	return len(gets.FindAll(out, -1))
}

func (c *client) run(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GOMODCACHE="+c.modcache, "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off")
	if c.proxy != "" {
		cmd.Env = append(cmd.Env, "GOPROXY="+c.proxy)
	}
	cmd.Env = append(cmd.Env, c.env...)
	return cmd.CombinedOutput()
}

func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }

// forget empties the module cache, as a fresh machine's is.
func (c *client) forget() {
	c.tb.Helper()
	require.NoError(c.tb, os.RemoveAll(c.modcache))
	require.NoError(c.tb, os.RemoveAll(filepath.Join(c.dir, "go.sum")))
}

// contents returns what the client has: a hash of each .mod, .zip, .ziphash and
// extracted file and of go.sum, and Version and Time of each .info.
func (c *client) contents() map[string]string {
	c.tb.Helper()
	found := map[string]string{}
	sum, err := os.ReadFile(filepath.Join(c.dir, "go.sum"))
	require.NoError(c.tb, err)
	found["go.sum"] = string(sum)
	err = filepath.WalkDir(c.modcache, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(c.modcache, path)
		if d.IsDir() {
			if name == "cache/download/sumdb" || name == "cache/vcs" {
				return filepath.SkipDir
			}
			return nil
		}
		cached := strings.HasPrefix(name, "cache"+string(filepath.Separator))
		switch filepath.Ext(name) {
		case ".info":
			if cached {
				found[name] = versionAndTime(c.tb, path)
				return nil
			}
		case ".lock", ".partial":
			if cached {
				return nil
			}
		}
		if cached && !strings.Contains(name, "@v") || filepath.Base(name) == "list" && cached {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(text)
		found[name] = hex.EncodeToString(hash[:])
		return nil
	})
	require.NoError(c.tb, err)
	return found
}

func versionAndTime(tb testing.TB, path string) string {
	tb.Helper()
	text, err := os.ReadFile(path)
	require.NoError(tb, err)
	var info struct{ Version, Time string }
	require.NoError(tb, json.Unmarshal(text, &info))
	return info.Version + " " + info.Time
}

// moduleZip makes a module's zip with one file of size bytes that don't compress.
func moduleZip(tb testing.TB, path, version string, size int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, text := range map[string][]byte{"go.mod": []byte("module " + path + "\n"), "data.bin": noise(size)} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: path + "@" + version + "/" + name, Method: zip.Store})
		require.NoError(tb, err)
		_, err = f.Write(text)
		require.NoError(tb, err)
	}
	require.NoError(tb, w.Close())
	return buf.Bytes()
}

func noise(size int) []byte {
	b := make([]byte, size)
	x := uint64(88172645463325252) // xorshift: the same bytes each time
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}
