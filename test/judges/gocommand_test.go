// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// fullVariable set to "full" runs the scripts that ask nothing too, and all of them without Modtap.
const fullVariable = "MODTAP_GOCOMMAND"

// origin is the test proxy and what its users have to know.
type origin struct {
	url    string // its modules are below /mod
	sumdb  string // the GOSUMDB of its checksum database
	listen string // a free address, for a listener that has to be known before
}

// mode is one way through Modtap.
type mode struct {
	name string
	// start runs Modtap and returns the GOPROXY for the scripts.
	start func(t *testing.T, o origin) (m *modtap, goproxy string)
}

var modes = []mode{
	{"inline", func(t *testing.T, o origin) (*modtap, string) {
		m := startModtap(t, "MODTAP_UPSTREAM="+o.url)
		return m, m.places["proxy"] + "/mod"
	}},
	{"egress", func(t *testing.T, o origin) (*modtap, string) {
		m := startModtap(t, "MODTAP_UPSTREAM="+o.url, "MODTAP_EGRESS_LISTEN="+o.listen, "MODTAP_EGRESS_UPSTREAM="+o.url+"/mod", "GOSUMDB="+o.sumdb)
		return m, "http://" + o.listen
	}},
	{"embedded", func(t *testing.T, o origin) (*modtap, string) {
		m := startModtap(t, "MODTAP_EGRESS_UPSTREAM="+o.url+"/mod", "GOSUMDB="+o.sumdb)
		return m, m.places["proxy"]
	}},
}

// TestGoCommand holds the scripts' results through Modtap against those without it.
func TestGoCommand(t *testing.T) {
	tests := backends.GoCommand(t)
	proxy := tests.Proxy(t)
	all, asking := scripts(t, tests.Dir)
	o := origin{url: proxy.URL, sumdb: testSumDB(t, tests.Dir)}
	direct := o.url + "/mod"

	chosen, control := asking, results{}
	if os.Getenv(fullVariable) == "full" {
		chosen = all
		control, _ = run(t, tests, direct, all)
	}
	table := "\nthe go command's scripts | scripts | pass | fail | skip | differ from without\n"
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			known, err := exceptionsOf(exceptionsText, mode.name)
			require.NoError(t, err)
			o.listen = port.Address(t)
			m, goproxy := mode.start(t, o)

			through, _ := run(t, tests, goproxy, chosen)
			unknown := unexpected(through, known)
			texts := again(t, tests, goproxy, unknown, through)
			control.learn(t, tests, direct, through.named(failed))
			d := compare(control, through, known)
			table += row(mode.name, through, strconv.Itoa(len(d.differ)))
			for _, name := range d.news {
				assert.Fail(t, "a script that passes without Modtap fails "+mode.name, "%s:\n%s", name, texts[name])
			}
			for _, name := range d.stale {
				assert.Fail(t, "an exception passes "+mode.name+": take it out of exceptions.txt", "%s: %s", name, known[name])
			}
			assert.Greater(t, m.exchanges(t), 1000, "the scripts went through Modtap")
		})
	}
	t.Log(table + row("without Modtap, as far as asked", control, ""))
}

func row(name string, r results, differ string) string {
	return fmt.Sprintf("%s | %d | %d | %d | %d | %s\n", name, len(r), len(r.named(passed)), len(r.named(failed)), len(r.named(skipped)), differ)
}

// unexpected lists what failed and isn't known to, and what is and didn't.
func unexpected(r results, known exceptions) (names []string) {
	for name, ending := range r {
		if _, ok := known[name]; ok == (ending == passed) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return r[name] == skipped })
}

// again runs each of the scripts alone, where it has the machine for itself, and puts what it came to into r. It returns what
// they printed.
func again(t *testing.T, tests backends.GoCommandTests, goproxy string, names []string, r results) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range names {
		alone, out := run(t, tests, goproxy, []string{name})
		if alone[name] != r[name] {
			t.Logf("%s: %s with others, %s alone", name, r[name], alone[name])
		}
		r[name], texts[name] = alone[name], string(out[max(0, len(out)-2500):])
	}
	return texts
}

// learn adds how these scripts end without Modtap.
func (r results) learn(t *testing.T, tests backends.GoCommandTests, goproxy string, names []string) {
	t.Helper()
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return r[name] != "" })
	found, _ := run(t, tests, goproxy, missing)
	maps.Copy(r, found)
}

// testSumDB is the GOSUMDB under which the scripts run.
func testSumDB(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "proxy_test.go"))
	require.NoError(t, err)
	found := regexp.MustCompile(`testSumDBVerifierKey = "([^"]+)"`).FindSubmatch(text)
	require.NotNil(t, found)
	return strings.TrimSpace(string(found[1]))
}
