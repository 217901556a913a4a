// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is in every secret that these tests hand to Modtap.
const canary = "CaNaRy7"

// leaks reports where text has the canary, as it is or in a Basic header.
func leaks(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte("us:" + canary))[:12]} {
		if i := bytes.Index(text, []byte(form)); i >= 0 {
			t.Errorf("%s: %q", where, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// userinfos are what may stand before the @ of a URL.
func userinfos() (all []string) {
	for _, c := range []string{"/", "?", "#", "@", ":", "%", "%2F", " ", "\"", "[", "$", ","} {
		all = append(all, "us:"+c+canary+"x", "us:8"+c+canary)
	}
	return append(all, "us:"+canary, canary, canary+":x-oauth-basic")
}

// TestCanaryRefused gives each variable, and keys that no variable sets, values with
// a secret in them, most of which are refused, and reads what validate and run print.
func TestCanaryRefused(t *testing.T) {
	var values []string
	for _, user := range userinfos() {
		values = append(values, "http://"+user+"@host.invalid:1/x")
	}
	for _, user := range []string{"us:" + canary, canary, "us:8/" + canary, "us:8?" + canary} {
		values = append(values, user+"@host.invalid:1", "//"+user+"@host.invalid", "http:"+user+"@host.invalid", "ftp://"+user+"@host.invalid",
			"grpc://"+user+"@host.invalid", "http://"+user+"@host.invalid:port", "http://"+user+"@:1,direct", "http://a.invalid,http://"+user+"@b.invalid|off")
	}
	values = append(values, "http://host.invalid/?sig="+canary, "http://host.invalid/#"+canary)
	shows := func(where string, env []string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := command(filepath.Join(t.TempDir(), "data"), env, args...)
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-ctx.Done():
				_ = cmd.Process.Kill()
			case <-done:
			}
		}()
		out, _ := cmd.CombinedOutput()
		leaks(t, where, out)
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, 2)
	try := func(where string, env []string, args ...string) {
		slots <- struct{}{}
		running.Go(func() { shows(where, env, args...); <-slots })
	}
	for _, variable := range []string{
		"MODTAP_LISTEN", "MODTAP_UPSTREAM", "MODTAP_EGRESS_LISTEN", "MODTAP_EGRESS_UPSTREAM", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN", "MODTAP_JAEGER",
		"MODTAP_ELASTICSEARCH",
	} {
		for i, value := range values {
			try("case 14: "+variable+"="+value, []string{variable + "=" + value}, "validate")
			if strings.HasSuffix(variable, "LISTEN") && i%4 == 0 {
				try("case 14: run, "+variable+"="+value, []string{variable + "=" + value}, "run")
				if variable == "MODTAP_HEALTH_LISTEN" {
					try("health, "+value, []string{variable + "=" + value}, "health")
				}
			}
		}
	}
	for i, value := range values {
		if i%3 != 0 {
			continue
		}
		for _, key := range []string{
			"exporters.otlp_http/jaeger.endpoint", "exporters.otlp_http/jaeger.traces_endpoint", "exporters.otlp_http/jaeger.proxy_url", "receivers.goproxy.ingress.tls",
			"receivers.goproxy.upstream", "service.telemetry.metrics.readers",
		} {
			try("case 13: "+key+"="+value, []string{"MODTAP_JAEGER=http://127.0.0.1:1"}, "validate", "--set", key+"='"+strings.ReplaceAll(value, "'", "''")+"'")
		}
	}
	running.Wait()
}

// sink keeps what was sent to it.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	got    bytes.Buffer
	tokens map[string]bool // Authorization headers.
}

func newSink(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *sink {
	s := &sink{tokens: map[string]bool{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			if plain, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
				body, _ = io.ReadAll(plain)
			}
		}
		s.mu.Lock()
		s.got.Write(body)
		s.tokens[r.Header.Get("Authorization")] = true
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.got.Bytes())
}

// with is the sink's URL with a user and password.
func (s *sink) with(path string) string {
	return strings.Replace(s.URL, "://", "://us:"+canary+"@", 1) + path
}

// secretive are backends that fail, each quoting a secret in its own way.
func secretive(t *testing.T) map[string]*sink {
	echo := func(r *http.Request) string {
		return fmt.Sprintf("no: http://us:%s@%s%s?access_token=%s Authorization: %s\x1b[31m\u202e", canary, r.Host, r.URL, canary, r.Header.Get("Authorization"))
	}
	return map[string]*sink{
		"unauthorized": newSink(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, echo(r), http.StatusUnauthorized) }),
		"broken":       newSink(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, echo(r), http.StatusInternalServerError) }),
		"refuses":      newSink(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, echo(r), http.StatusBadRequest) }),
		"redirects": newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://us:"+canary+"@127.0.0.1:1/x?X-Amz-Signature="+canary)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}),
		"opaque": newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = []string{"http://us:8/" + canary + "@host:port/?sig=" + canary}
			w.WriteHeader(http.StatusTemporaryRedirect)
		}),
	}
}

// TestCanary runs Modtap with backends that fail, and traffic that has secrets
// wherever there can be some, and looks for them in all that leaves and all that is
// kept. Of the data directory only the embedded proxy's cache is left out: its files
// are the upstream's, byte for byte.
func TestCanary(t *testing.T) {
	otlp := newSink(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/x-protobuf") })
	elastic := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			_, _ = io.WriteString(w, `{"errors":false,"items":[]}`)
			return
		}
		_, _ = io.WriteString(w, `{"version":{"number":"8.19.0"},"acknowledged":true}`)
	})
	config := strings.Builder{}
	var traces, logs []string
	config.WriteString("exporters:\n")
	add := func(name, otlpURL, elasticURL string) {
		fmt.Fprintf(&config, "  otlp_http/%[1]s: {endpoint: %[2]q, sending_queue: {storage: file_storage}}\n  elastic/%[1]s: {endpoints: [%[3]q], sending_queue: {storage: file_storage}}\n", name, otlpURL, elasticURL)
		traces, logs = append(traces, "otlp_http/"+name), append(logs, "elastic/"+name)
	}
	add("good", otlp.with(""), elastic.with(""))
	for name, s := range secretive(t) {
		add(name, s.with("/a"), s.with(""))
	}
	closed := strings.TrimPrefix(refused(t), "http://")
	add("down", "http://us:"+canary+"@"+closed, "http://us:"+canary+"@"+closed)
	add("name", "http://us:"+canary+"@no.such.host.invalid:4318", "http://us:"+canary+"@no.such.host.invalid:9200")
	add("tls", strings.Replace(otlp.with(""), "http:", "https:", 1), strings.Replace(elastic.with(""), "http:", "https:", 1))
	fmt.Fprintf(&config, "  otlp_grpc/down: {endpoint: %q, tls: {insecure: true}}\n", "us:"+canary+"@"+closed)
	traces = append(traces, "otlp_grpc/down")
	fmt.Fprintf(&config, "service:\n  pipelines:\n    traces/canary: {receivers: [goproxy], exporters: [%s]}\n    logs/canary: {receivers: [goproxy], exporters: [%s]}\n",
		strings.Join(traces, ", "), strings.Join(logs, ", "))

	for mode, variable := range map[string]string{"forward": "MODTAP_UPSTREAM", "embedded": "MODTAP_EGRESS_UPSTREAM"} {
		t.Run(mode, func(t *testing.T) {
			upstream := strings.Replace(newUpstream(t).URL, "://", "://us:"+canary+"@", 1)
			netrc := filepath.Join(t.TempDir(), "netrc")
			require.NoError(t, os.WriteFile(netrc, []byte("machine 127.0.0.1 login us password "+canary+"\n"), 0o600))
			m := start(t, []string{
				variable + "=" + upstream, "NETRC=" + netrc, "GOSUMDB=off", "GOFLAGS=-insecure" + canary, "MODTAP_SERVICE_NAME=canary",
			}, "run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", configFile(t, config.String()), "--set", "receivers.goproxy.settle=100ms")
			host := strings.TrimPrefix(m.proxy, "http://")
			for _, request := range canaryRequests(host) {
				leaks(t, "the answer to "+strings.ReplaceAll(request, canary, "*"), send(t, host, request))
			}
			require.Eventually(t, func() bool { return len(m.broken()) > 10 }, time.Minute, 200*time.Millisecond, "the backends' faults are known")
			require.Eventually(t, func() bool {
				return bytes.Contains(otlp.bytes(), []byte("canary-last")) && bytes.Contains(elastic.bytes(), []byte("canary-last"))
			}, time.Minute, 100*time.Millisecond, "what the last request was arrives")
			_, health := get(t, m.healthURL()+"/healthy")
			leaks(t, "health", health)
			_, page := get(t, "http://"+m.metrics+"/metrics")
			leaks(t, "metrics", page)
			m.stop()
			leaks(t, "what it printed", []byte(m.output.String()))
			leaks(t, "spans", otlp.bytes())
			leaks(t, "documents", elastic.bytes())
			for _, s := range []*sink{otlp, elastic} {
				assert.True(t, s.tokens["Basic "+base64.StdEncoding.EncodeToString([]byte("us:"+canary))], "the backend got user and password")
			}
			require.NoError(t, filepath.WalkDir(m.data, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() && d.Name() == "cache" {
					return cmp.Or(err, fs.SkipDir)
				}
				if !d.Type().IsRegular() {
					return nil
				}
				text, err := os.ReadFile(path)
				leaks(t, path, text)
				return err
			}))
			for _, played := range []string{"\x1b", "\u202e"} {
				assert.NotContains(t, m.output.String(), played, "case 16")
				assert.NotContains(t, string(health), played, "case 16")
			}
		})
	}
}

// newUpstream answers with secrets in its redirects, errors and files.
func newUpstream(t *testing.T) *sink {
	locations := []string{
		"http://us:8/" + canary + "@host:port/x?sig=" + canary,
		"http://us:" + canary + "@127.0.0.1:1/x?X-Goog-Signature=" + canary + "#" + canary,
		"mailto:us:" + canary + "@host", "http:us:" + canary + "@host", "//us:" + canary + "@127.0.0.1:1/", "ftp://us:" + canary + "@host/",
		"http://" + canary + ":x@127.0.0.1:1/" + "?" + canary, "file://us:" + canary + "@/etc", "http://[us:" + canary + "@::1/", ":" + canary + "@", "http://us:%zz" + canary + "@host/",
	}
	return newSink(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch {
		case strings.HasSuffix(r.URL.Path, ".info"):
			_, _ = fmt.Fprintf(w, `{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z","Origin":{"VCS":"git","URL":"https://us:%s@git.example/x"}}`, canary)
		case strings.Contains(r.URL.Path, "error"):
			http.Error(w, "us:"+canary+"@inner: not for http://us:"+canary+"@inner/?token="+canary, http.StatusForbidden)
		case strings.Contains(r.URL.Path, "last"):
			http.NotFound(w, r)
		default:
			_, _ = fmt.Sscanf(r.URL.Path, "/example.com/location%d/", &n)
			w.Header()["Location"] = []string{locations[n%len(locations)]}
			w.WriteHeader(http.StatusFound)
		}
	})
}

// canaryRequests are raw requests with secrets where clients have some.
func canaryRequests(host string) (all []string) {
	request := func(target string, header ...string) {
		all = append(all, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+strings.Join(append(header, ""), "\r\n")+"\r\n")
	}
	for i := range 11 {
		request(fmt.Sprintf("/example.com/location%d/@v/v1.0.0.mod", i))
	}
	request("/example.com/m/@v/v1.0.0.info")
	request("/example.com/error/@v/v1.0.0.zip")
	for _, user := range userinfos() {
		auth := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user))
		if strings.HasPrefix(user, canary) { // Of the others the user is no secret.
			request("/example.com/m/@v/list", auth)
		}
		request("/example.com/m/@v/list", "Modtap-Ci-System: gitlab", "Modtap-Ci-Pipeline-Url: https://"+user+"@ci.example/?private_token="+canary,
			"Modtap-Ci-Job-Url: "+user+"@ci.example#"+canary, "Modtap-Ci-Job: job of http://"+user+"@ci.example/")
		request("/http://" + url.PathEscape(user) + "@host.example/@v/list")
	}
	request("/example.com/m/@v/list?access_token="+canary, "User-Agent: bot http://us:"+canary+"@host/", "Referer: http://us:"+canary+"@host/", "Cookie: a="+canary)
	request("http://us:" + canary + "@host.example/example.com/m/@v/list")
	request("/example.com/m/@v/list", "Authorization: Bearer "+canary, "Proxy-Authorization: Basic "+canary, "X-Forwarded-For: "+canary)
	request("/example.com/m/@v/list", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("us:"+canary)))
	request("/example.com/canary-last/@v/v1.0.0.mod")
	return all
}

// send sends a raw request and returns the answer without what is the upstream's
// own in it: a redirect that is passed on, and the body behind it.
func send(t *testing.T, host, request string) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	if bytes.HasPrefix(answer, []byte("HTTP/1.1 302")) || bytes.HasPrefix(answer, []byte("HTTP/1.1 403")) || bytes.Contains(answer, []byte(`"Origin"`)) {
		return nil
	}
	return answer
}
