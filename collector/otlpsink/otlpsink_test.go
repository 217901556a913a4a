// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package otlpsink

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/modtap/modtap/internal/outbound"
	"github.com/modtap/modtap/test/backends"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fate is what upstream's exporter makes of an answer.
type fate string

const (
	sent  fate = "sent"
	final fate = "dropped"
	kept  fate = "sent again"
)

func fateOf(err error) fate {
	switch {
	case err == nil:
		return sent
	case consumererror.IsPermanent(err):
		return final
	}
	return kept
}

func oneSpan() ptrace.Traces {
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("x")
	return td
}

// started makes upstream's exporter of a factory without queue and retry: the caller sees what became of each request.
func started(t *testing.T, f exporter.Factory, change func(component.Config)) exporter.Traces {
	t.Helper()
	cfg := f.CreateDefaultConfig()
	change(cfg)
	e, err := f.CreateTraces(t.Context(), exportertest.NewNopSettings(f.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.Shutdown(context.Background())) })
	return e
}

func overHTTP(t *testing.T, address string) exporter.Traces {
	t.Helper()
	return started(t, HTTP(), func(cfg component.Config) {
		c := cfg.(*otlphttpexporter.Config)
		c.ClientConfig.Endpoint, c.RetryConfig.Enabled = address, false
		c.ClientConfig.DisableKeepAlives = true
		c.ClientConfig.TLS.InsecureSkipVerify = true
		c.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	})
}

func overGRPC(t *testing.T, address string, insecure bool) exporter.Traces {
	t.Helper()
	return started(t, GRPC(), func(cfg component.Config) {
		c := cfg.(*otlpexporter.Config)
		c.ClientConfig.Endpoint, c.RetryConfig.Enabled = address, false
		c.ClientConfig.TLS.Insecure, c.ClientConfig.TLS.InsecureSkipVerify = insecure, true
		c.TimeoutConfig.Timeout = 2 * time.Second
		c.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
	})
}

// TestAnswers: every status with every media type and kind of body, through upstream's real exporter.
func TestAnswers(t *testing.T) {
	ok, err := ptraceotlp.NewExportResponse().MarshalJSON()
	require.NoError(t, err)
	page := "<!doctype html><html><title>Sign in</title></html>"
	type body struct{ media, text string }
	bodies := []body{
		{"", ""},
		{protobuf, ""},
		{json, ""},
		{protobuf + "; charset=utf-8", ""},
		{json, string(ok)},
		{json + ";charset=utf-8", string(ok)},
		{"text/html", ""},
		{"text/html; charset=utf-8", page},
		{"text/plain", "OK"},
		{"text/plain", page},
		{"application/octet-stream", "x"},
		{protobuf, "<html>"},
		{protobuf, "\xff\xff"},
		{json, page},
		{json, `{"partialSuccess":`},
		{"", page},
		{"a/b/c", ""},
		{"text/xml", "<x/>"},
		{protobuf, strings.Repeat("\x00", 1<<17)},
		{json, strings.Repeat(" ", 1<<17) + "{}"},
	}
	var answer body
	var code int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusTeapot) // a redirect that was followed
			return
		}
		w.Header()["Content-Type"] = nil
		if answer.media != "" {
			w.Header().Set("Content-Type", answer.media)
		}
		w.Header().Set("Location", "/sign-in")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(answer.text)) // a 204 or 304 takes none
	}))
	t.Cleanup(s.Close)
	e := overHTTP(t, s.URL)
	success := map[body]bool{bodies[0]: true, bodies[1]: true, bodies[2]: true, bodies[3]: true, bodies[4]: true, bodies[5]: true}
	refusal := map[body]bool{{"text/plain", "OK"}: true}
	for _, b := range bodies {
		if strings.HasPrefix(b.media, protobuf) || strings.HasPrefix(b.media, json) {
			refusal[b] = len(b.text) < maxAnswer
		}
	}
	for code = 200; code < 600; code++ {
		for _, answer = range bodies {
			if (code == 204 || code == 304) && answer.text != "" {
				continue
			}
			want := kept
			switch {
			case code < 300 && success[answer]:
				want = sent
			case (code == 400 || code == 422) && refusal[answer]:
				want = final
			}
			err := e.ConsumeTraces(t.Context(), oneSpan())
			name := fmt.Sprintf("%d %q %.20q", code, answer.media, answer.text)
			require.Equal(t, want, fateOf(err), "%s: %v", name, err)
			if want == kept {
				require.Contains(t, err.Error(), strconv.Itoa(code), "the status is said")
			}
		}
	}
	for name, tt := range map[string]struct {
		code int
		body
		says string
	}{
		"case 31: 404":                {404, bodies[7], "404 Not Found (text/html): check host, port and path"},
		"case 31: 401":                {401, bodies[7], "check the credentials"},
		"case 31: 302":                {302, bodies[7], "it redirects"},
		"case 31: 413":                {413, bodies[7], "client_max_body_size"},
		"case 32: 200 with HTML":      {200, bodies[7], "200 OK (text/html): no OTLP answer"},
		"case 32: 200 with junk":      {200, body{protobuf, "<html>"}, "no OTLP answer"},
		"case 21: 200 without an end": {200, body{json, strings.Repeat(" ", 1<<20)}, "more than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer = tt.code, tt.body
			err := e.ConsumeTraces(t.Context(), oneSpan())
			require.Equal(t, kept, fateOf(err))
			if tt.code != 200 || answer.media != json {
				assert.Contains(t, err.Error(), tt.says)
			}
		})
	}
}

// TestRetryAfter: a backend may ask for a wait, but not for a year.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for after, want := range map[string]string{
		"7": "7", "0": "1", "-5": "1", "86400000": "300", "99999999999999999999": "300", "x": "300", " 8 ": "8",
		now.Add(20 * time.Second).Format(http.TimeFormat): "20",
		now.Add(-time.Hour).Format(http.TimeFormat):       "1",
		now.AddDate(1, 0, 0).Format(http.TimeFormat):      "300",
	} {
		assert.Equal(t, want, boundedWait(after, now), after)
	}
}

func FuzzJudge(f *testing.F) {
	for _, media := range []string{"", protobuf, json, "text/html", "application/x-protobuf; a"} {
		f.Add(200, media, "", "{}")
		f.Add(503, media, "5", "<html>")
	}
	f.Fuzz(func(t *testing.T, code int, media, after, text string) {
		r := httptest.NewRequest(http.MethodPost, "http://host/v1/traces", http.NoBody)
		answer := &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {media}, "Retry-After": {after}}}
		if err := judge(r, answer, []byte(text)); err != nil {
			assert.LessOrEqual(t, len(err.Error()), 4*maxText+1000+len(media))
			return
		}
		switch {
		case code >= 200 && code < 300, code == 400, code == 422, code == 429, code == 503:
		default:
			t.Errorf("%d passed on", code)
		}
	})
}

// server is an OTLP/gRPC receiver that answers with a code.
type server struct {
	ptraceotlp.UnimplementedGRPCServer
	answer func() error
}

func (s *server) Export(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), s.answer()
}

func serveGRPC(t *testing.T, answer func() error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(s, &server{answer: answer})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// TestCodes: every code of gRPC, and one that there isn't yet.
func TestCodes(t *testing.T) {
	var code codes.Code
	e := overGRPC(t, serveGRPC(t, func() error { return status.Error(code, "the reason") }), true)
	for code = codes.OK; code <= codes.Unauthenticated+1; code++ {
		want := kept
		switch code {
		case codes.OK:
			want = sent
		case codes.InvalidArgument:
			want = final
		}
		err := e.ConsumeTraces(t.Context(), oneSpan())
		assert.Equal(t, want, fateOf(err), "%v: %v", code, err)
		if err != nil {
			assert.Contains(t, err.Error(), "the reason")
			assert.Contains(t, err.Error(), code.String())
		}
	}
}

// TestMixUps: the address of another protocol is named as that, with what to write. The servers are real ones of each kind.
func TestMixUps(t *testing.T) {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	plain, secure := httptest.NewServer(nothing), httptest.NewTLSServer(nothing)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	plainHost, secureHost := strings.TrimPrefix(plain.URL, "http://"), strings.TrimPrefix(secure.URL, "https://")
	overOTLP := serveGRPC(t, func() error { return nil })
	for _, tt := range []struct{ name, scheme, host, cure string }{
		{"case 33: http to gRPC", "http", overOTLP, "write grpc://" + overOTLP},
		{"http to TLS", "http", secureHost, "write https://" + secureHost},
		{"https to HTTP", "https", plainHost, "write http://" + plainHost},
		{"https to gRPC", "https", overOTLP, "or grpc://" + overOTLP},
		{"case 33: gRPC to HTTP", "grpc", plainHost, "write http://" + plainHost},
		{"gRPC with TLS to HTTP", "grpcs", plainHost, "speaks no TLS"},
		{"gRPC with TLS to gRPC", "grpcs", overOTLP, "write grpc://" + overOTLP},
		{"gRPC to TLS", "grpc", secureHost, "may speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := func() exporter.Traces {
				if strings.HasPrefix(tt.scheme, "http") {
					return overHTTP(t, tt.scheme+"://"+tt.host)
				}
				return overGRPC(t, tt.host, tt.scheme == "grpc")
			}()
			err := e.ConsumeTraces(t.Context(), oneSpan())
			assert.Equal(t, kept, fateOf(err))
			assert.ErrorContains(t, err, tt.cure)
		})
	}
}

// TestMuteConnection: an HTTP/2 or gRPC connection to a backend that goes mute without a reset is given up.
func TestMuteConnection(t *testing.T) {
	taken := make(chan string, 100)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken <- r.Proto }))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	overOTLP := serveGRPC(t, func() error { taken <- "gRPC"; return nil })
	for name, start := range map[string]func(*testing.T) (*backends.Relay, exporter.Traces){
		"HTTP/2": func(t *testing.T) (*backends.Relay, exporter.Traces) {
			r := backends.NewRelay(t, secure.Listener.Addr().String())
			return r, started(t, HTTP(), func(cfg component.Config) {
				c := cfg.(*otlphttpexporter.Config)
				c.ClientConfig.Endpoint, c.RetryConfig.Enabled, c.ClientConfig.Timeout = "https://"+r.Address, false, 2*time.Second
				c.ClientConfig.TLS.InsecureSkipVerify = true
				c.QueueConfig = configoptional.None[exporterhelper.QueueBatchConfig]()
			})
		},
		"gRPC": func(t *testing.T) (*backends.Relay, exporter.Traces) {
			r := backends.NewRelay(t, overOTLP)
			return r, overGRPC(t, r.Address, true)
		},
	} {
		t.Run("case 36: "+name, func(t *testing.T) {
			t.Parallel()
			r, e := start(t)
			require.NoError(t, e.ConsumeTraces(t.Context(), oneSpan()))
			r.Silence()
			begun := time.Now()
			for e.ConsumeTraces(t.Context(), oneSpan()) != nil {
				require.Less(t, time.Since(begun), outbound.PingAfter+outbound.PingTimeout+10*time.Second, "the mute connection is still used")
				time.Sleep(100 * time.Millisecond)
			}
			t.Logf("a new connection after %v", time.Since(begun).Round(time.Millisecond))
		})
	}
}
