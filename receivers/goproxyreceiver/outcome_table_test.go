// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	archive "archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/modtap/modtap/internal/tap/instance"
)

// scripted is an upstream with modules, and paths at which something goes wrong.
type scripted struct {
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	left  chan struct{} // closed at the end
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	file := s.files[r.URL.Path]
	s.mu.Unlock()
	if file == nil {
		http.Error(w, "not found: no such thing", http.StatusNotFound)
		return
	}
	file(w, r)
}

func (s *scripted) at(path string, file http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = file
}

func says(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
}

// module adds one version of a module, with a package in p and size random bytes.
func (s *scripted) module(t testing.TB, module string, size int) {
	const version = "v1.0.0"
	var content bytes.Buffer
	z := archive.NewWriter(&content)
	blob := make([]byte, size)
	_, _ = rand.Read(blob)
	for name, text := range map[string]string{"go.mod": "module " + module + "\n", "p/p.go": "package p\n", "blob": string(blob)} {
		f, err := z.Create(module + "@" + version + "/" + name)
		require.NoError(t, err)
		_, _ = io.WriteString(f, text)
	}
	require.NoError(t, z.Close())
	for file, body := range map[string]string{
		"list": version + "\n", version + ".info": `{"Version":"` + version + `","Time":"2024-01-01T00:00:00Z"}`,
		version + ".mod": "module " + module + "\n", version + ".zip": content.String(),
	} {
		s.at("/"+module+"/@v/"+file, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		})
	}
}

// setUp is one Modtap of the table.
type setUp struct {
	*testing.T
	*scripted
	*running
	way, scheme, cert string
}

// stranger returns a client with connections of its own.
func (u *setUp) stranger() *http.Client {
	transport := &http.Transport{TLSClientConfig: insecure(), ForceAttemptHTTP2: true, DisableCompression: true}
	u.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (u *setUp) get(c *http.Client, path string) {
	resp, err := c.Get(u.url + path)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// leave asks and leaves after d, or, with begun, d after the answer has begun.
func (u *setUp) leave(path string, d time.Duration, begun bool) {
	ctx, cancel := context.WithCancel(u.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+path, http.NoBody)
	require.NoError(u, err)
	timer := time.AfterFunc(time.Minute, cancel)
	defer timer.Stop()
	if !begun {
		timer.Reset(d)
	}
	resp, err := u.stranger().Do(req)
	if err != nil {
		return
	}
	if begun {
		timer.Reset(d)
	}
	_, _ = io.ReadFull(resp.Body, make([]byte, 1))
	<-ctx.Done()
	_ = resp.Body.Close()
}

// goes runs a go command in a module of its own, with an empty cache.
func (u *setUp) goes(args ...string) {
	dir := u.TempDir()
	require.NoError(u, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module other.example/m\n\ngo 1.24\n"), 0o600))
	cmd := exec.CommandContext(u.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY="+u.url, "SSL_CERT_FILE="+u.cert, "GOMODCACHE="+filepath.Join(dir, "cache"),
		"GOSUMDB=off", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOVCS=*:off", "GOPRIVATE=", "GONOPROXY=none", "GOWORK=off")
	out, _ := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("certificate")) {
		u.Errorf("%s", out)
	}
}

// row is a case of the table: what it truly is, by outcome, sorted; {twins} stands for a
// retry_twin over HTTPS.
type row struct {
	name     string
	inline   string
	embedded string // empty: as inline
	slow     bool   // it runs beside the others
	run      func(u *setUp, m string)
}

var rows = []row{
	{name: "ok", inline: "ok", run: func(u *setUp, m string) { u.module(u, m, 10); u.get(u.stranger(), "/"+m+"/@v/v1.0.0.zip") }},
	{name: "HEAD of what is there and what isn't; a part", inline: "ok ok ok not_found", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		for _, file := range []string{"v1.0.0.zip", "v1.0.0.info", "list", "v1.0.1.info"} {
			resp, err := u.stranger().Head(u.url + "/" + m + "/@v/" + file)
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	}},
	{name: "a lone 404 of a version, a list; a 410", inline: "not_found not_found not_found", run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/v1.0.1.mod", says(410, "gone"))
		for _, file := range []string{"v1.0.0.info", "list", "v1.0.1.mod"} {
			u.get(u.stranger(), "/"+m+"/@v/"+file)
		}
	}},
	{name: "go get of a package", inline: "ok ok ok ok probe probe probe{twins}", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		u.goes("get", m+"/p")
	}},
	{name: "go get of a package at a version", inline: "ok ok ok ok probe probe probe{twins}", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		u.goes("get", m+"/p@v1.0.0")
	}},
	{name: "go get of what nothing provides", inline: "not_found probe probe{twins}", run: func(u *setUp, m string) { u.goes("get", m+"@v1.0.0") }},
	{name: "go, the same 404", inline: "not_found{twins}", run: func(u *setUp, m string) { u.goes("list", "-m", "-versions", m) }},
	{name: "go mod download: a submodule's version is gone, its parent there", inline: "not_found ok ok ok{twins}", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		u.goes("mod", "download", m+"@v1.0.0", m+"/sub@v1.0.0")
	}},
	{name: "a/b asked and there, then a version of a/b/v9 that isn't, one client", inline: "not_found ok", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		c := u.stranger()
		u.get(c, "/"+m+"/@v/v1.0.0.info")
		u.get(c, "/"+m+"/v9/@v/v9.0.0.info")
	}},
	{name: "two clients of one address: a/b (200), a/b/c (404)", inline: "not_found ok", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		u.get(u.stranger(), "/"+m+"/@v/list")
		u.get(u.stranger(), "/"+m+"/c/@v/list")
	}},
	{name: "two go commands at once: a/b, and a/b/v2, which isn't there", inline: "not_found ok ok ok{twins}", run: func(u *setUp, m string) {
		u.module(u, m, 10)
		var both sync.WaitGroup
		both.Go(func() { u.goes("mod", "download", m+"@v1.0.0") })
		both.Go(func() { u.goes("mod", "download", m+"/v2@v2.0.0") })
		both.Wait()
	}},
	{name: "two go commands at once, the same 404", inline: "not_found not_found{twins}", run: func(u *setUp, m string) {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { u.goes("mod", "download", m+"@v1.0.0") })
		}
		both.Wait()
	}},
	{name: "two clients of one address, the same 404, 0.7 s apart", inline: "not_found not_found", run: func(u *setUp, m string) {
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.info")
		time.Sleep(700 * time.Millisecond)
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.info")
	}},
	{name: "two clients of one address, the same 404, at once", inline: "not_found not_found", run: func(u *setUp, m string) {
		for range 2 {
			u.get(u.stranger(), "/"+m+"/@v/v1.0.0.info")
		}
	}},
	{name: "the client leaves before the header; just before the time-out", inline: "client_gone client_gone", slow: true, run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/list", u.silent)
		u.leave("/"+m+"/@v/list", 300*time.Millisecond, false)
		u.leave("/"+m+"/@v/list", silence-time.Second, false)
	}},
	{name: "the client leaves in the body", inline: "client_gone", run: func(u *setUp, m string) {
		u.module(u, m, 24<<20)
		u.leave("/"+m+"/@v/v1.0.0.zip", 10*time.Millisecond, true)
	}},
	{name: "the upstream is silent; says 504", inline: "timeout timeout", slow: true, run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/list", u.silent)
		u.at("/"+m+"/@v/v1.0.0.mod", says(504, "took too long"))
		u.get(u.stranger(), "/"+m+"/@v/list")
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.mod")
	}},
	{name: "the upstream's body stalls, the client gives up after 6 s", inline: "timeout", slow: true, run: func(u *setUp, m string) {
		u.module(u, m, 10)
		u.at("/"+m+"/@v/v1.0.0.zip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "PK")
			w.(http.Flusher).Flush()
			u.silent(w, r)
		})
		u.leave("/"+m+"/@v/v1.0.0.zip", 6*time.Second, false)
	}},
	{name: "500; reset; breaks off", inline: "upstream_error upstream_error upstream_error", run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/list", says(500, "failed"))
		u.at("/"+m+"/@latest", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		u.at("/"+m+"/@v/v1.0.0.mod", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "module")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		for _, file := range []string{"@v/list", "@latest", "@v/v1.0.0.mod"} {
			u.get(u.stranger(), "/"+m+"/"+file)
		}
	}},
	{name: "401, 403, 429 of the upstream", inline: "denied denied denied", run: func(u *setUp, m string) {
		for _, code := range []int{401, 403, 429} {
			u.at(fmt.Sprintf("/%s/@v/v1.0.%d.mod", m, code), says(code, "no"))
			u.get(u.stranger(), fmt.Sprintf("/%s/@v/v1.0.%d.mod", m, code))
		}
	}},
	{name: "a 404 that says fetch timed out", inline: "not_found(timeout)", run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/v1.0.0.info", says(404, "not found: fetch timed out"))
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.info")
	}},
	{name: "go's mismatch in a 404; a 404 that only talks of checksums", inline: "checksum_mismatch not_found", run: func(u *setUp, m string) {
		u.at("/"+m+"/@v/v1.0.0.mod", says(404, "not found: verifying "+m+"@v1.0.0/go.mod: checksum mismatch\n\tdownloaded: h1:x\n\tsum.golang.org: h1:y"))
		u.at("/"+m+"/@v/v1.0.1.mod", says(404, "not found: no checksum of this module is known"))
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.mod")
		u.get(u.stranger(), "/"+m+"/@v/v1.0.1.mod")
	}},
	{name: "the zip of another module", inline: "ok", embedded: "upstream_error", run: func(u *setUp, m string) {
		u.module(u, m+"/other", 10)
		u.module(u, m, 10)
		other := u.files["/"+m+"/other/@v/v1.0.0.zip"]
		u.at("/"+m+"/@v/v1.0.0.zip", other)
		u.get(u.stranger(), "/"+m+"/@v/v1.0.0.zip")
	}},
	{name: "POST", inline: "refused", run: func(u *setUp, m string) {
		resp, err := u.stranger().Post(u.url+"/"+m+"/@v/list", "", http.NoBody)
		if err == nil {
			_ = resp.Body.Close()
		}
	}},
}

// silence is what the upstream may take to a header, and embedded to the next bytes.
const silence = 4 * time.Second

// silent answers nothing until somebody loses patience.
func (s *scripted) silent(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.left:
	}
}

// TestOutcomesAndTheirLookAlikes: each outcome beside what looks like it, all from one
// address, so that nothing but connections and the go command's own pattern tells.
func TestOutcomesAndTheirLookAlikes(t *testing.T) {
	for _, way := range []string{"forward", "embedded"} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(way+", "+scheme, func(t *testing.T) {
				left := rows
				for range 3 { // on a busy machine the go command asks again too late to be recognised
					left = outcomeTable(t, way, scheme, left)
				}
				for _, r := range left {
					t.Errorf("%s: wrong each time", r.name)
				}
			})
		}
	}
}

// outcomeTable prints what is said in each row and returns those where it is wrong.
func outcomeTable(t *testing.T, way, scheme string, rows []row) (wrong []row) {
	t.Helper()
	if len(rows) == 0 {
		return nil
	}
	s := &scripted{files: map[string]http.HandlerFunc{}, left: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(s.left) })
	u := &setUp{T: t, scripted: s, way: way, scheme: scheme}
	u.running, _ = behind(t, way, server.URL, func(cfg *Config) {
		cfg.ClientIdentity = instance.IdentityHash // client.port isn't told then
		cfg.Settle = 2 * time.Second
		cfg.Forward.ResponseHeaderTimeout = silence
		cfg.Chain.ResponseHeaderTimeout, cfg.Chain.IdleBodyTimeout = silence, silence
		cfg.Chain.Retry.MaxRetries, cfg.Chain.CircuitBreaker.ConsecutiveFailures = 0, 0
		if scheme == "https" {
			server := configtls.NewDefaultServerConfig()
			server.CertFile, server.KeyFile = writeCertificate(t, t.TempDir(), "modtap")
			u.cert = server.CertFile
			cfg.Ingress.TLS = configoptional.Some(server)
		}
	})
	module := func(i int) string { return fmt.Sprintf("host%d.example/a/b", i) }
	var beside sync.WaitGroup
	for i, r := range rows {
		if r.slow {
			beside.Go(func() { r.run(u, module(i)) })
		} else {
			r.run(u, module(i))
		}
	}
	beside.Wait()
	said := make([][]string, len(rows))
	for _, x := range u.exchanges(t) {
		var i int
		_, err := fmt.Sscanf(x.log["url.path"].(string), "/host%d.example", &i)
		require.NoError(t, err, x.log["url.path"])
		outcome := x.log["goproxy.outcome"].(string)
		if word, ok := x.log["error.type"]; ok && outcome == "not_found" {
			outcome += fmt.Sprintf("(%s)", word)
		}
		said[i] = append(said[i], outcome)
	}
	table := &strings.Builder{}
	w := tabwriter.NewWriter(table, 0, 0, 1, ' ', 0)
	for i, r := range rows {
		want := r.inline
		if way == "embedded" && r.embedded != "" {
			want = r.embedded
		}
		outcomes, twins := strings.CutSuffix(want, "{twins}")
		fields := strings.Fields(outcomes)
		if twins && scheme == "https" {
			for outcome := range strings.FieldsSeq(outcomes) {
				if outcome != "ok" {
					fields = append(fields, "retry_twin")
				}
			}
		}
		slices.Sort(fields)
		slices.Sort(said[i])
		remark := ""
		if !slices.Equal(fields, said[i]) {
			wrong = append(wrong, r)
			remark = "  WRONG: " + strings.Join(fields, " ")
		}
		_, _ = fmt.Fprintf(w, "%s\t| %s%s\n", r.name, strings.Join(said[i], " "), remark)
	}
	_ = w.Flush()
	t.Logf("%s, %s:\n%s", way, scheme, table)
	return wrong
}
