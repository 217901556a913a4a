// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// modules is how many of Modtap's own dependencies the go command downloads.
const modules = 12

// The addresses that the files of deploy/athens and deploy/nginx name.
const (
	ingressDefault = "127.0.0.1:8081"
	egressDefault  = "127.0.0.1:8082"
	proxyDefault   = "127.0.0.1:3000"
)

// addresses gives each of them a free port instead.
func addresses(tb testing.TB) map[string]string {
	tb.Helper()
	free := map[string]string{}
	for _, address := range []string{ingressDefault, egressDefault, proxyDefault} {
		free[address] = port.Address(tb)
	}
	return free
}

// replaced is a text with other values; one that isn't there means that the file has changed and the test would show something else.
func replaced(tb testing.TB, text string, values map[string]string) string {
	tb.Helper()
	var pairs []string
	for old, value := range values {
		require.Contains(tb, text, old)
		pairs = append(pairs, old, value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// settings are the variables that an environment file sets.
func settings(text string) (env []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			env = append(env, line)
		}
	}
	return env
}

// sides is a Modtap on both sides of a proxy.
type sides struct {
	proxy   string // URL for clients
	metrics string // URL
	log     string // file
}

// besides starts Modtap as an example's modtap.env says, and asks of this machine's GOPROXY.
func besides(tb testing.TB, env string) sides {
	tb.Helper()
	metrics, health := port.Address(tb), port.Address(tb)
	data := filepath.Join(tb.TempDir(), "data")
	own := append(settings(env), "MODTAP_DATA="+data, "MODTAP_METRICS_LISTEN="+metrics, "MODTAP_HEALTH_LISTEN="+health)
	cmd := exec.Command(modtapBinary(tb))
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MODTAP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, own...)
	p := start(tb, cmd)
	backends.Await(tb, time.Minute, "Modtap to be ready", func() bool {
		status, _ := get(tb, "http://"+health+"/ready")
		return status == http.StatusOK || !p.running()
	})
	require.True(tb, p.running(), p.stderr.String())
	assert.NotContains(tb, p.stderr.String(), "warning")
	s := sides{metrics: "http://" + metrics + "/metrics", log: filepath.Join(data, "requests.jsonl")}
	for _, v := range own {
		if address, ok := strings.CutPrefix(v, "MODTAP_LISTEN="); ok {
			s.proxy = "http://" + address
		}
	}
	return s
}

// downloadTwice holds what /metrics tells of a go command on two fresh machines, one after the other. Its checksums are its own
// affair: a proxy may dial the database itself, past every GOPROXY list.
func (s sides) downloadTwice(t *testing.T) {
	t.Helper()
	gomod := ownModules(t, modules)
	began := time.Now()
	download(t, s.proxy, gomod, "GOSUMDB=off")
	took := time.Since(began)
	cold := settled(t, s.metrics, modules)
	t.Logf("cold: %v in %v", cold, took.Round(time.Millisecond))
	assert.Positive(t, cold["miss"])
	assert.Zero(t, cold["unknown"])

	began = time.Now()
	download(t, s.proxy, gomod, "GOSUMDB=off")
	took = time.Since(began)
	warm := settled(t, s.metrics, sum(cold)+modules)
	for result, n := range cold {
		warm[result] -= n
	}
	t.Logf("warm: %v in %v", warm, took.Round(time.Millisecond))
	assert.Equal(t, sum(cold), warm["hit"], "as many as before, and all from the cache")
	assert.Equal(t, warm["hit"], sum(warm))
	t.Logf("evidence: %v", s.evidence(t))
}

// evidence counts in the JSON log how the results of .info, .mod and .zip came to be known.
func (s sides) evidence(tb testing.TB) map[string]int {
	tb.Helper()
	text, err := os.ReadFile(s.log)
	require.NoError(tb, err)
	counted := map[string]int{}
	for line := range bytes.SplitSeq(bytes.TrimSpace(text), []byte("\n")) {
		var d struct {
			Goproxy struct {
				Side, Operation string
				Cache           struct{ Result, Evidence string }
			}
		}
		require.NoError(tb, json.Unmarshal(line, &d))
		switch g := d.Goproxy; {
		case g.Side != "ingress":
		case g.Operation == "info", g.Operation == "mod", g.Operation == "zip":
			counted[g.Cache.Result+" by "+g.Cache.Evidence]++
		}
	}
	return counted
}

// TestAthens runs deploy/athens.
func TestAthens(t *testing.T) {
	program := backends.Find(t, backends.ProgramAthens)
	at := addresses(t)
	s := besides(t, replaced(t, readFile(t, "athens", "modtap.env"), at))
	env := replaced(t, readFile(t, "athens", "athens.env"), map[string]string{
		proxyDefault: at[proxyDefault], egressDefault: at[egressDefault], "/var/lib/athens": filepath.Join(t.TempDir(), "storage"),
	})
	require.NoError(t, os.MkdirAll(strings.SplitN(strings.SplitN(env, "ATHENS_DISK_STORAGE_ROOT=", 2)[1], "\n", 2)[0], 0o755))
	backends.Launch(t, "Athens", program, nil, settings(env), backends.Answers("http://"+at[proxyDefault]+"/readyz"))
	s.downloadTwice(t)
}
