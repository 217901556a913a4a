// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"

	"github.com/modtap/modtap/test/port"
)

// TestImage holds what the Dockerfile's image is made of.
func TestImage(t *testing.T) {
	made := theImage(t)
	assert.ElementsMatch(t, []string{"etc/ssl/certs/ca-certificates.crt", "modtap", "modtap-goauth"}, regularFiles(t, made.root), "nothing else: no shell, no passwd")
	for _, name := range []string{"modtap", "modtap-goauth"} {
		file, err := elf.Open(filepath.Join(made.root, name))
		require.NoError(t, err)
		defer file.Close()
		libraries, err := file.ImportedLibraries()
		require.NoError(t, err)
		assert.Empty(t, libraries, name)
		for _, segment := range file.Progs {
			assert.NotEqual(t, elf.PT_INTERP, segment.Type, "%s is linked dynamically", name)
		}
		assert.Nil(t, file.Section(".symtab"), "%s has symbols", name)
		info, err := os.Stat(filepath.Join(made.root, name))
		require.NoError(t, err)
		t.Logf("%s: static, %.1f MB", name, float64(info.Size())/1e6)
	}
	user, err := ids(made.user)
	require.NoError(t, err)
	assert.Equal(t, owner{65532, 65532}, user)
	assert.Equal(t, []string{"/var/lib/modtap"}, made.volumes)
	assert.Equal(t, made.env["MODTAP_DATA"], made.volumes[0])
	assert.Equal(t, "SIGTERM", made.stopSignal)
	assert.Equal(t, "1.2.3-test", made.labels["org.opencontainers.image.version"])
	assert.Equal(t, "0123abc", made.labels["org.opencontainers.image.revision"])
	for _, label := range []string{"title", "description", "url", "source", "documentation", "licenses"} {
		assert.NotEmpty(t, made.labels["org.opencontainers.image."+label], label)
	}
	for name, value := range made.env {
		if port, ok := strings.CutPrefix(value, "0.0.0.0:"); ok {
			assert.Contains(t, made.exposed, port, name)
		}
	}
	pinned(t, made.base)
}

// pinned holds the base image: a patch release of Go that go.mod allows, and a release of Debian.
func pinned(t *testing.T, base string) {
	t.Helper()
	require.Regexp(t, `^golang:1\.\d+\.\d+-bookworm$`, base)
	text, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	require.NoError(t, err)
	own, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	number := func(version string) (all int) {
		for part := range strings.SplitSeq(version, ".") {
			n, err := strconv.Atoi(part)
			require.NoError(t, err, version)
			all = all*1000 + n
		}
		return all
	}
	assert.GreaterOrEqual(t, number(strings.TrimSuffix(strings.TrimPrefix(base, "golang:"), "-bookworm")), number(own.Go.Version))
}

func regularFiles(tb testing.TB, root string) (found []string) {
	tb.Helper()
	require.NoError(tb, fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// contained is the image as docker run would start it, on ephemeral loopback ports.
func contained(tb testing.TB, env ...string) (s sandbox, addresses map[string]string) {
	tb.Helper()
	made := theImage(tb)
	user, err := ids(made.user)
	require.NoError(tb, err)
	root := tb.TempDir()
	require.NoError(tb, copyOwned(made.root, root))
	// What the container's runtime adds to the image.
	require.NoError(tb, os.Mkdir(filepath.Join(root, "proc"), 0o755))
	require.NoError(tb, os.Mkdir(filepath.Join(root, "dev"), 0o755))
	s = sandbox{Root: root, Volumes: made.volumes, UID: user.uid, GID: user.gid, Args: made.entrypoint}
	addresses = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(made.env)) {
		value := made.env[name]
		if strings.HasPrefix(value, "0.0.0.0:") {
			value = port.Address(tb)
			addresses[name] = value
		}
		s.Env = append(s.Env, name+"="+value)
	}
	require.Len(tb, addresses, 3)
	s.Env = append(s.Env, env...)
	return s, addresses
}

// TestContainer runs the image in the strictest way that its README promises, and has the real go command use it.
func TestContainer(t *testing.T) {
	const module = "example.com/contained"
	s, at := contained(t, "MODTAP_EGRESS_UPSTREAM="+originOf(t, module), "GOSUMDB=off")
	check := s
	check.Args = theImage(t).health.list
	code, _, stderr := runInside(t, check)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "no Modtap answers at http://"+at["MODTAP_HEALTH_LISTEN"]+"/ready: connection refused")

	p := start(t, s.command(t))
	var took time.Duration
	require.Eventually(t, func() bool {
		began := time.Now()
		code, _, stderr = runInside(t, check)
		took = time.Since(began)
		return code == 0 || !p.running()
	}, time.Minute, 50*time.Millisecond)
	require.True(t, p.running(), p.stderr.String())
	t.Logf("healthy by %v, which took %v", check.Args, took.Round(time.Millisecond))
	assert.Less(t, took, 5*time.Second, "the time-out of the health check is 5 s")

	checkConfined(t, p.cmd.Process.Pid, s.UID)
	checkReadOnly(t, s)
	download(t, "http://"+at["MODTAP_LISTEN"], requiring(module), "GOSUMDB=off")
	counted := settled(t, "http://"+at["MODTAP_METRICS_LISTEN"]+"/metrics", 3)
	t.Logf("counted on /metrics: %v", counted)
	_, page := get(t, "http://"+at["MODTAP_METRICS_LISTEN"]+"/metrics")
	assert.Contains(t, string(page), `,revision="0123abc",version="1.2.3-test"} 1`)
	assert.Positive(t, counted["miss"])

	began := time.Now()
	assert.Zero(t, p.stop(), "SIGTERM is an orderly end")
	t.Logf("ended with 0, %v after SIGTERM", time.Since(began).Round(time.Millisecond))
	assert.Contains(t, p.stdout.String(), `"path":"/`+module+`/@v/v1.0.0.zip"`, "the JSON log on standard output")
	for line := range strings.Lines(p.stdout.String()) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
	for _, name := range regularFiles(t, s.Root) {
		if !strings.HasPrefix("/"+name, s.Volumes[0]+"/") {
			assert.Contains(t, []string{"etc/ssl/certs/ca-certificates.crt", "modtap", "modtap-goauth"}, name, "written outside of the volume")
		}
	}
}

// checkConfined reads in /proc what the process is and may do.
func checkConfined(t *testing.T, pid, uid int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(t, err)
	is := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		is[name] = strings.Join(strings.Fields(value), " ")
	}
	user := strconv.Itoa(uid)
	assert.Equal(t, strings.Join([]string{user, user, user, user}, " "), is["Uid"])
	assert.Equal(t, "1", is["NoNewPrivs"])
	for _, name := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		assert.Equal(t, strings.Repeat("0", 16), is[name], name)
	}
	t.Logf("pid %s in the container, user %s, no capability", is["NSpid"][strings.LastIndex(is["NSpid"], " ")+1:], user)
}

// checkReadOnly tries to write everywhere, as the image's user and as root. Where a path's owner fails, it is the mount that
// forbids it.
func checkReadOnly(t *testing.T, s sandbox) {
	t.Helper()
	user := s.UID
	owners := map[string]int{"/": 0, "/etc": 0, "/etc/ssl/certs": 0, "/var": 0, "/var/lib": 0, certificates: 0, "/tmp": user, "/modtap": -1}
	s.Probe = append(slices.Collect(maps.Keys(owners)), s.Volumes...)
	for _, uid := range []int{user, 0} {
		s.UID = uid
		_, stdout, stderr := runInside(t, s)
		var told map[string]string
		require.NoError(t, json.Unmarshal([]byte(stdout), &told), stderr)
		require.Len(t, told, len(s.Probe))
		for path, outcome := range told {
			of, outside := owners[path]
			switch {
			case outside && of == uid:
				assert.Equal(t, "read-only file system", outcome, "%s as %d", path, uid)
			case outside || uid != user:
				assert.NotEqual(t, "written", outcome, "%s as %d", path, uid)
			default:
				assert.Equal(t, "written", outcome, path)
			}
		}
	}
	t.Logf("writable: %v; not %v", s.Volumes, slices.Sorted(maps.Keys(owners)))
}

// TestContainerWithoutUpstream: the image has no go command to ask, and says what to do.
func TestContainerWithoutUpstream(t *testing.T) {
	s, _ := contained(t)
	code, _, stderr := runInside(t, s)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "MODTAP_EGRESS_UPSTREAM")
	t.Log(strings.TrimSpace(stderr))
}
