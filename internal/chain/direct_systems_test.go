// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package chain

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// systems are the version control systems of the go command beside git.
var systems = []string{"svn", "hg", "bzr", "fossil"}

// needsSystem tells whether one is here; a test run of ours has them all (make unit).
func needsSystem(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		require.Empty(t, os.Getenv("CI"), "make unit installs %s", name)
		t.Skipf("SKIPPED: there is no %s; not tested", name)
	}
}

// imports answers the go command's discovery with a repository.
func imports(system, remote string) forgeFault {
	return atDiscovery(func(w http.ResponseWriter, r *http.Request) bool {
		fmt.Fprintf(w, `<html><head><meta name="go-import" content="%s/m %s %s"></head></html>`, r.Host, system, remote)
		return true
	})
}

// failing returns the URL of a host that fails so whatever it is asked.
func failing(t *testing.T, f forgeFault) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // A server notices that its client has left only behind the body.
		f(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// refusing is the URL of a port where nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	return "http://" + port.Address(t)
}

// TestDirectOutagesOfEverySystem: it is the same whichever version control a path has,
// and the go command takes all failures of some for an absence.
func TestDirectOutagesOfEverySystem(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = discardLog
	secure.StartTLS()
	t.Cleanup(secure.Close)
	type want struct {
		status int
		words  string
	}
	type outage struct {
		remote string
		want
	}
	outages := map[string]outage{
		// Fossil doesn't say why it can't connect.
		"refused": {refusing(t), want{502, "connection_refused,_OTHER"}},
		"dns":     {"http://nowhere.invalid", want{502, "dns"}},
		"tls":     {secure.URL, want{502, "tls"}},
		"hang":    {failing(t, faultHang), want{504, "timeout"}},
		"reset":   {failing(t, faultReset), want{502, "connection_reset,_OTHER"}},
		"504":     {failing(t, faultStatus(504)), want{504, "timeout"}},
		"page":    {failing(t, faultStatus(200)), want{502, "_OTHER,connection_reset"}},
	}
	for code, status := range map[int]int{401: 401, 403: 403, 404: 404, 410: 404, 429: 429, 500: 502, 502: 502, 503: 502} {
		word := strconv.Itoa(code)
		if status == 404 {
			word = "not_found"
		}
		outages[strconv.Itoa(code)] = outage{failing(t, faultStatus(code)), want{status, word}}
	}
	fails := map[string]forgeFault{}
	for name, o := range outages {
		for _, system := range systems {
			fails[system+"-"+name] = imports(system, o.remote+"/m")
		}
	}
	startForge(t, fails)
	t.Setenv("GOVCS", "*:all")
	t.Setenv("USER", "")
	for name, o := range outages {
		for _, system := range systems {
			files := []string{"/@v/list"}
			if system == "svn" { // It asks in another way for each.
				files = append(files, "/@v/v1.0.0.info", "/@latest")
			}
			for _, file := range files {
				t.Run("case 38: "+system+" "+name+" "+strings.ReplaceAll(file, "/", "|"), func(t *testing.T) {
					t.Parallel()
					needsSystem(t, system)
					timeout := time.Minute
					if name == "hang" {
						timeout = 2 * time.Second
					}
					ledger := new(Ledger)
					err := openDirect(t, timeout).Do(t.Context(), Request{Ledger: ledger, Request: asks(system + "-" + name + ".test/m" + file)}, readAll(new(string)))
					e := requireError(t, err)
					assert.Equal(t, o.status, e.Status(), "%v", err)
					assert.Equal(t, o.status == 404, e.Confirmed, "%v", err)
					at := ledger.Take()[0]
					assert.Contains(t, strings.Split(o.words, ","), at.Error, "%v", err)
					if o.status != 404 {
						require.NotErrorIs(t, err, fs.ErrNotExist)
					}
				})
			}
		}
	}
}

// TestDirectWithoutItsSystem: the program is named, and what it would say is unknown.
func TestDirectWithoutItsSystem(t *testing.T) {
	fails := map[string]forgeFault{}
	for _, system := range append(systems, "git") {
		fails[system] = imports(system, "http://127.0.0.1:1/m")
	}
	startForge(t, fails)
	t.Setenv("GOVCS", "*:all")
	goCommand, err := exec.LookPath("go")
	require.NoError(t, err)
	goCommand, err = filepath.EvalSymlinks(goCommand)
	require.NoError(t, err)
	bin := t.TempDir()
	require.NoError(t, os.Symlink(goCommand, filepath.Join(bin, "go")))
	t.Setenv("PATH", bin)
	for system := range fails {
		for _, file := range []string{"/@v/v1.0.0.info", "/@v/list", "/@latest"} {
			t.Run("case 38: no "+system+" "+strings.ReplaceAll(file, "/", "|"), func(t *testing.T) {
				err := openDirect(t, time.Minute).Do(t.Context(), Request{Request: asks(system + ".test/m" + file)}, readAll(new(string)))
				e := requireError(t, err)
				assert.Equal(t, 502, e.Status(), "%v", err)
				assert.Regexp(t, `\b`+system+`\b.*(not found|there is no|where Modtap runs)|there is no `+system, err.Error())
			})
		}
	}
}

// TestDirectOfOtherSystems: where the repository answers, it is believed.
func TestDirectOfOtherSystems(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs the version control systems")
	}
	dir := t.TempDir()
	run := func(in, name string, args ...string) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = in
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %q: %s", name, args, out)
	}
	serve := func(address, name string, args ...string) {
		cmd := exec.Command(name, args...)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		require.Eventually(t, func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		}, time.Minute, 20*time.Millisecond)
	}
	for _, system := range []string{"svn", "hg"} {
		needsSystem(t, system)
	}
	needsSystem(t, "svnserve")
	tree := filepath.Join(dir, "tree")
	require.NoError(t, os.MkdirAll(tree, 0o700))
	svn, hg := port.Address(t), port.Address(t)
	startForge(t, map[string]forgeFault{"svn": imports("svn", "svn://"+svn+"/svn/trunk"), "gone": imports("svn", "svn://"+svn+"/gone/trunk"), "hg": imports("hg", "http://"+hg)})
	t.Setenv("GOVCS", "*:all")

	require.NoError(t, os.WriteFile(filepath.Join(tree, "go.mod"), []byte("module svn.test/m\n"), 0o600))
	run(dir, "svnadmin", "create", "svn")
	run(dir, "svn", "import", "-q", "-m", "a", "tree", "file://"+dir+"/svn/trunk")
	serve(svn, "svnserve", "-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", svn[strings.LastIndexByte(svn, ':')+1:], "-r", dir)

	require.NoError(t, os.WriteFile(filepath.Join(tree, "go.mod"), []byte("module hg.test/m\n"), 0o600))
	run(tree, "hg", "init")
	run(tree, "hg", "add", "-q", "go.mod")
	run(tree, "hg", "commit", "-q", "-u", "a", "-m", "a")
	run(tree, "hg", "tag", "-u", "a", "v1.0.0")
	serve(hg, "hg", "serve", "-R", tree, "-a", "127.0.0.1", "-p", hg[strings.LastIndexByte(hg, ':')+1:])

	c := openDirect(t, time.Minute)
	for file, status := range map[string]int{
		"svn.test/m/@latest": 200, "svn.test/m/@v/list": 200, "svn.test/m/@v/v9.9.9.info": 404, "svn.test/m/@v/no-such-branch.info": 404,
		"gone.test/m/@latest": 404, "gone.test/m/@v/list": 404, "gone.test/m/@v/v1.0.0.info": 404,
		"hg.test/m/@latest": 200, "hg.test/m/@v/list": 200, "hg.test/m/@v/v1.0.0.zip": 200, "hg.test/m/@v/v9.9.9.info": 404, "hg.test/m/@v/no-such-branch.info": 404,
	} {
		t.Run("case 38: "+strings.ReplaceAll(file, "/", "|"), func(t *testing.T) {
			err := c.Do(t.Context(), Request{Request: asks(file)}, readAll(new(string)))
			if status == 200 {
				require.NoError(t, err)
				return
			}
			e := requireError(t, err)
			assert.Equal(t, status, e.Status(), "%v", err)
			assert.True(t, e.Confirmed, "%v", err)
		})
	}
}
