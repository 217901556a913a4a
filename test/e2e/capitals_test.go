// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

const (
	capital        = "example.com/Capital/Mod"
	capitalEscaped = "/example.com/!capital/!mod/@v/"
	capitalGomod   = "module example.com/client\n\ngo 1.26\n\nrequire example.com/Capital/Mod v1.0.0-RC1\n"
)

// capitals is an origin with one module, which has capital letters in its path and
// in its version. It remembers the targets as they stood on the wire.
type capitals struct {
	*httptest.Server

	mu   sync.Mutex
	seen []string
}

func newCapitals(tb testing.TB) *capitals {
	tb.Helper()
	o := newOrigin(tb)
	o.files[capitalEscaped+"list"] = []byte("v1.0.0-RC1\n")
	o.files[capitalEscaped+"v1.0.0-!r!c1.info"] = []byte(`{"Version":"v1.0.0-RC1","Time":"2024-01-02T03:04:05Z"}`)
	o.files[capitalEscaped+"v1.0.0-!r!c1.mod"] = []byte("module " + capital + "\n")
	o.files[capitalEscaped+"v1.0.0-!r!c1.zip"] = moduleZip(tb, capital, "v1.0.0-RC1", 10)
	c := new(capitals)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.seen = append(c.seen, r.RequestURI)
		c.mu.Unlock()
		o.serve(w, r)
	}))
	tb.Cleanup(c.Close)
	return c
}

// take returns the targets since the last call.
func (c *capitals) take() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]bool)
	for _, target := range c.seen {
		seen[target] = true
	}
	c.seen = nil
	return seen
}

// useCapitals lists and downloads the module with the real go command.
func useCapitals(t *testing.T, proxy string) {
	t.Helper()
	c := newClient(t, proxy, []byte(capitalGomod), "GOSUMDB=off", "GONOSUMDB=*", "GONOPROXY=none", "GOPRIVATE=")
	out, err := c.run("list", "-m", "-versions", capital)
	require.NoError(t, err, "%s", tail(out))
	assert.Contains(t, string(out), capital+" v1.0.0-RC1")
	out, err = c.run("mod", "download", "-x")
	require.NoError(t, err, "%s", tail(out))
}

// TestCapitalLetters: a module with capital letters comes through every way, real
// proxies between the two sides among them, and each request arrives as the go
// command itself writes it.
func TestCapitalLetters(t *testing.T) {
	origin := newCapitals(t)
	useCapitals(t, origin.URL)
	direct := origin.take()
	require.Contains(t, direct, strings.ReplaceAll(capitalEscaped, "!", "%21")+"v1.0.0-%21r%21c1.zip")

	env := []string{"MODTAP_EGRESS_UPSTREAM=" + origin.URL, "GOSUMDB=off", "GONOSUMDB=*", "GONOPROXY=none"}
	for name, proxy := range map[string]func(t *testing.T, egress string) string{
		"embedded": nil,
		"forward":  func(*testing.T, string) string { return origin.URL },
		"egress":   func(*testing.T, string) string { return "http://127.0.0.1:9" },
		"athens": func(t *testing.T, egress string) string {
			return backends.Athens(t, backends.AthensOptions{Goproxy: egress, GoEnv: []string{"GONOSUMDB=*", "GOSUMDB=off"}}).URL
		},
		"goproxy": func(t *testing.T, egress string) string {
			return backends.Goproxy(t, backends.GoproxyOptions{Env: []string{"GOPROXY=" + egress, "GOSUMDB=off"}}).URL
		},
	} {
		t.Run("case 1: "+name, func(t *testing.T) {
			egress := "http://" + port.Address(t)
			own := env
			if proxy != nil {
				own = append(slices.Clip(own), "MODTAP_UPSTREAM="+proxy(t, egress), "MODTAP_EGRESS_LISTEN="+strings.TrimPrefix(egress, "http://"))
			}
			m := start(t, own)
			at := m.proxy
			if name == "egress" {
				at = egress
			}
			useCapitals(t, at)
			arrived := origin.take()
			require.NotEmpty(t, arrived)
			for target := range arrived {
				if name != "athens" && name != "goproxy" { // these ask for more
					assert.Contains(t, direct, target)
				}
				assert.NotContains(t, target, "%25")
				assert.NotContains(t, target, "!", "it is the go command that asks")
			}
			told := 0
			for _, d := range m.quiet() {
				assert.Contains(t, []string{capital, ""}, d.Goproxy.Module.Path, d.URL.Path)
				for _, u := range d.Goproxy.Upstream {
					told++
					if after, ok := strings.CutPrefix(u.URL, origin.URL); ok {
						assert.True(t, arrived[after], "what is told is what was sent: %s", u.URL)
					}
				}
			}
			assert.Positive(t, told)
		})
	}
}

// TestGONOPROXYAtTheEgress: a module that it names goes past the list, though the
// go command writes its capital letters as %21.
func TestGONOPROXYAtTheEgress(t *testing.T) {
	for _, file := range []string{"list", "v1.0.0-!r!c1.info", "v1.0.0-!r!c1.mod", "v1.0.0-!r!c1.zip"} {
		t.Run("case 2: "+file, func(t *testing.T) {
			origin := newCapitals(t)
			egress := port.Address(t)
			m := start(t, []string{
				"MODTAP_UPSTREAM=http://127.0.0.1:9", "MODTAP_EGRESS_LISTEN=" + egress, "MODTAP_EGRESS_UPSTREAM=" + origin.URL,
				"GONOPROXY=example.com/Capital", "GOSUMDB=off", "PATH=",
			})
			for _, bang := range []string{"!", "%21", "%2521"} {
				status := newWire(t, "http://"+egress).get(strings.ReplaceAll(capitalEscaped+file, "!", bang))
				assert.NotEqual(t, http.StatusOK, status, "there is no go command, so nothing can be fetched from version control")
			}
			assert.Empty(t, origin.take(), "no proxy hears of it")
			docs := m.settled(3)
			assert.Equal(t, "direct:"+strings.TrimPrefix(capitalEscaped, "/")+file, docs[0].Goproxy.Upstream[0].URL)
		})
	}
}
