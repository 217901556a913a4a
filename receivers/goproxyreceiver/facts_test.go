// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/tap/instance"
)

// attempt is the part of a client span that a test expects.
type attempt struct {
	status int64
	bytes  int64
	word   string
}

func TestWhatIsToldOfAnExchange(t *testing.T) {
	text := func(code, body string) string {
		return answer(code, "Content-Type: text/plain", "Content-Length: "+strconv.Itoa(len(body))) + body
	}
	for _, c := range []struct {
		name    string
		request string // default: a GET of a zip
		origin  func(c net.Conn, r received)
		leave   bool // the client leaves when it has the answer's first byte
		status  int64
		bytes   int64
		outcome string
		word    string
		attempt *attempt
	}{
		{name: "ok", origin: raw(plain), status: 200, bytes: 5, outcome: "ok", attempt: &attempt{status: 200, bytes: 5}},
		{name: "unknown length", origin: raw(answer("200 OK", chunked) + chunks + "X: y\r\n\r\n"), status: 200, bytes: 11, outcome: "ok", attempt: &attempt{status: 200, bytes: 11}},
		{name: "HEAD", request: call("HEAD", zip), origin: raw(answer("200 OK", "Content-Length: 77")), status: 200, outcome: "ok", attempt: &attempt{status: 200}},
		{name: "part", request: get(zip, "Range: bytes=0-1"), origin: raw(answer("206 Partial Content", "Content-Range: bytes 0-1/5", "Content-Length: 2") + "he"), status: 206, bytes: 2, outcome: "ok", attempt: &attempt{status: 206, bytes: 2}},
		{name: "not modified", origin: raw(answer("304 Not Modified")), status: 304, outcome: "ok", attempt: &attempt{status: 304}},
		{name: "early hints", origin: raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain), status: 200, bytes: 5, outcome: "ok", attempt: &attempt{status: 200, bytes: 5}},
		{name: "not found", origin: raw(text("404 Not Found", "none")), status: 404, bytes: 4, outcome: "not_found", attempt: &attempt{status: 404, bytes: 4, word: "404"}},
		{name: "gone", origin: raw(text("410 Gone", "gone")), status: 410, bytes: 4, outcome: "not_found", attempt: &attempt{status: 410, bytes: 4, word: "410"}},
		{name: "forbidden", origin: raw(text("403 Forbidden", "no")), status: 403, bytes: 2, outcome: "denied", attempt: &attempt{status: 403, bytes: 2, word: "403"}},
		{name: "upstream failed", origin: raw(text("503 Service Unavailable", "busy")), status: 503, bytes: 4, outcome: "upstream_error", word: "503", attempt: &attempt{status: 503, bytes: 4, word: "503"}},
		{name: "upstream broke", origin: breaking(answer("200 OK", "Content-Length: 100")+"half", true), status: 200, bytes: 4, outcome: "upstream_error", word: "connection_reset", attempt: &attempt{status: 200, bytes: 4, word: "connection_reset"}},
		{name: "upstream ended early", origin: breaking(answer("200 OK", chunked)+"4\r\nhalf\r\n", false), status: 200, bytes: 4, outcome: "upstream_error", word: "connection_reset", attempt: &attempt{status: 200, bytes: 4, word: "connection_reset"}},
		{name: "upstream ended early, HTTP/1.0", request: "GET " + zip + " HTTP/1.0\r\n\r\n", origin: breaking(answer("200 OK", chunked)+"4\r\nhalf\r\n", false), status: 200, bytes: 4, outcome: "upstream_error", word: "connection_reset", attempt: &attempt{status: 200, bytes: 4, word: "connection_reset"}},
		{name: "upstream hung up", origin: breaking("", false), status: 502, bytes: -1, outcome: "upstream_error", word: "connection_reset", attempt: &attempt{word: "connection_reset"}},
		{name: "upstream isn't HTTP", origin: raw("SSH-2.0\r\n\r\n"), status: 502, bytes: -1, outcome: "upstream_error", word: "bad_response", attempt: &attempt{word: "bad_response"}},
		{name: "switch that nobody asked for", origin: raw(answer("101 Switching Protocols")), status: 502, bytes: -1, outcome: "upstream_error", word: "bad_response", attempt: &attempt{word: "bad_response"}},
		{name: "upstream is silent", origin: silent, status: 504, bytes: -1, outcome: "timeout", word: "timeout", attempt: &attempt{word: "timeout"}},
		{name: "client left", origin: startAndWait, leave: true, status: 200, bytes: 5, outcome: "client_gone", attempt: &attempt{status: 200, bytes: 5}},
		{name: "POST", request: call("POST", zip, "Content-Length: 0"), origin: raw(plain), status: 405, bytes: -1, outcome: "refused"},
		{name: "absolute form", request: "HEAD http://example.com/x HTTP/1.1\r\nHost: {host}\r\n\r\n", origin: raw(plain), status: 400, outcome: "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			origin := startOrigin(t, c.origin)
			cfg := testConfig(t, origin.url+"/base")
			cfg.Forward.ResponseHeaderTimeout = 200 * time.Millisecond
			r := startReceiver(t, cfg)
			if c.request == "" {
				c.request = get(zip + "?secret=1")
			}
			conn := dial(t, r.url)
			write(t, conn, r.url, c.request)
			if c.leave {
				_, err := io.ReadFull(conn, make([]byte, 1))
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
			_, _ = io.Copy(io.Discard, bufio.NewReader(&untilIdle{Conn: conn}))
			_ = conn.Close()

			all := r.exchanges(t)
			require.Len(t, all, 1)
			got := all[0]
			assert.EqualValues(t, c.status, got.log["http.response.status_code"])
			if c.bytes >= 0 {
				assert.EqualValues(t, c.bytes, got.log["http.response.body.bytes"])
			} else {
				assert.Positive(t, got.log["http.response.body.bytes"], "a text of our own")
			}
			assert.Equal(t, c.outcome, got.log["goproxy.outcome"])
			word, _ := got.log["error.type"].(string)
			assert.Equal(t, c.word, word)
			if failed := c.word != ""; failed {
				assert.Equal(t, ptrace.StatusCodeError, got.server.Status().Code())
			} else {
				assert.Equal(t, ptrace.StatusCodeUnset, got.server.Status().Code())
			}
			if c.attempt == nil {
				assert.Empty(t, got.client)
				return
			}
			require.Len(t, got.client, 1)
			span := got.client[0]
			assert.Equal(t, got.server.TraceID(), span.TraceID())
			attrs := span.Attributes().AsRaw()
			u, err := url.Parse(origin.url)
			require.NoError(t, err)
			assert.Equal(t, origin.url+"/base"+strings.Split(strings.Fields(c.request)[1], "?")[0], attrs["url.full"])
			assert.Equal(t, u.Hostname(), attrs["server.address"])
			assert.Equal(t, u.Port(), strconv.FormatInt(attrs["server.port"].(int64), 10))
			status, _ := attrs["http.response.status_code"].(int64)
			size, _ := attrs["http.response.body.size"].(int64)
			word, _ = attrs["error.type"].(string)
			sent := attempt{status: status, bytes: size, word: word}
			assert.Equal(t, *c.attempt, sent)
			assert.GreaterOrEqual(t, got.server.EndTimestamp(), span.EndTimestamp())
			assert.Contains(t, origin.seen()[0].header.Get("Traceparent"), span.TraceID().String()+"-"+span.SpanID().String())
		})
	}
}

func raw(answer string) func(net.Conn, received) {
	return func(c net.Conn, _ received) {
		send(c, answer)
		if !strings.Contains(answer, "HTTP/1.1 ") {
			_ = c.Close()
		}
	}
}

func silent(c net.Conn, _ received) { _, _ = c.Read(make([]byte, 1)) }

func startAndWait(c net.Conn, r received) {
	send(c, answer("200 OK", "Content-Length: 100")+"hello")
	silent(c, r)
}

// untilIdle reads until the answer is over, also where the connection stays.
type untilIdle struct{ net.Conn }

func (u *untilIdle) Read(p []byte) (int, error) {
	_ = u.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	return u.Conn.Read(p)
}

func TestNothingSecretIsTold(t *testing.T) {
	const secret = "hunter2"
	origin := rawOrigin(t, answer("404 Not Found", "Content-Length: 0", "Set-Cookie: "+secret))
	dead := "http://user:" + secret + "@127.0.0.1:1"
	for name, upstream := range map[string]string{
		"answered": strings.Replace(origin.url, "://", "://user:"+secret+"@", 1), "not answered": dead,
	} {
		t.Run(name, func(t *testing.T) {
			r := startReceiver(t, testConfig(t, upstream))
			for _, request := range []string{
				get(zip + "?token=" + secret),
				get(zip, "Authorization: Bearer "+secret, "Cookie: "+secret, "Proxy-Authorization: "+secret),
				"GET " + zip + " HTTP/1.1\r\nHost: user:" + secret + "@{host}\r\n\r\n", // the server's own 400
				"GET http://user:" + secret + "@{host}/x?" + secret + " HTTP/1.1\r\nHost: {host}\r\n\r\n",
				"CONNECT user:" + secret + "@example.com:443 HTTP/1.1\r\nHost: {host}\r\n\r\n",
			} {
				a := ask(t, r.url, request)
				assert.NotContains(t, a.body, secret)
			}
			text := r.json(t)
			assert.Contains(t, text, "toml")
			assert.NotContains(t, text, secret)
			assert.NotContains(t, text, "user:")
		})
	}
	seen := origin.seen()
	require.Len(t, seen, 2)
	assert.Equal(t, []string{"Basic dXNlcjpodW50ZXIy"}, seen[0].header["Authorization"], "the upstream's own, where the client has none")
	assert.Equal(t, []string{"Bearer " + secret}, seen[1].header["Authorization"], "else the client's")
}

func TestTellsServerAndProtocol(t *testing.T) {
	for _, c := range []struct {
		host, address string
		port          int64
	}{
		{"proxy.example", "proxy.example", 80},
		{"proxy.example:8081", "proxy.example", 8081},
		{"[::1]", "::1", 80},
		{"[::1]:8081", "::1", 8081},
		{"user:pw@proxy.example:1", "proxy.example", 1},
		{"a:b:c", "a:b:c", 80},
	} {
		address, port := hostPort(c.host, nil)
		assert.Equal(t, c.address, address, c.host)
		assert.EqualValues(t, c.port, port, c.host)
	}
	r := startReceiver(t, testConfig(t, rawOrigin(t, plain).url))
	ask(t, r.url, "GET "+zip+" HTTP/1.0\r\nHost: proxy.example\r\nUser-Agent: Go-http-client/1.1\r\n\r\n")
	attrs := r.exchanges(t)[0].server.Attributes().AsRaw()
	assert.Equal(t, "1.0", attrs["network.protocol.version"])
	assert.Equal(t, "proxy.example", attrs["server.address"])
	assert.Equal(t, "Go-http-client/1.1", attrs["user_agent.original"])
	assert.Equal(t, "127.0.0.1", attrs["client.address"])
}

func TestEachExchangeIsCounted(t *testing.T) {
	r := startReceiver(t, testConfig(t, rawOrigin(t, plain).url))
	const n = 7
	for range n {
		ask(t, r.url, get(zip))
	}
	r.stop(t)
	all := r.metrics.AllMetrics()
	require.NotEmpty(t, all)
	counts := make(map[string]uint64)
	for _, m := range all[len(all)-1].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Type() != pmetric.MetricTypeHistogram {
			continue
		}
		for _, p := range m.Histogram().DataPoints().All() {
			if phase, ok := p.Attributes().Get("goproxy.phase.name"); ok && phase.Str() == exchange.PhaseQueue.String() {
				continue // where the machine is busy, a request waits for a processor
			}
			counts[m.Name()] += p.Count()
			if m.Name() == "http.server.response.body.size" {
				assert.InDelta(t, 5*n, p.Sum(), 0)
			}
		}
	}
	assert.Equal(t, map[string]uint64{
		"http.server.request.duration": n, "http.server.response.body.size": n,
		"http.client.request.duration": n, "http.client.response.body.size": n,
		"goproxy.session.duration": 1, "goproxy.session.requests": 1,
		"goproxy.phase.duration": 4 * n, // journal, upstream, download, send
	}, counts)
}

// recorded is a recorder that keeps what it is given.
type recorded struct {
	begins []exchange.Begin
	ends   []exchange.End
}

func (r *recorded) Begin(b *exchange.Begin) { r.begins = append(r.begins, *b) }

func (r *recorded) End(_ *exchange.Begin, e *exchange.End) {
	r.ends = append(r.ends, *e)
}

func (r *recorded) Left(exchange.Session) {}

func (r *recorded) Now() exchange.Time { return exchange.Time(time.Now().UnixNano()) }

// backendFunc is a backend that is one function.
type backendFunc func(w http.ResponseWriter, r *http.Request)

func (f backendFunc) serve(w http.ResponseWriter, r *http.Request, _ *transfer) result {
	f(w, r)
	return result{}
}

func (f backendFunc) close() {}

func newIngress(t testing.TB, serve backendFunc) (*handler, *recorded) {
	p, err := newPropagator([]string{"tracecontext"})
	require.NoError(t, err)
	kept := new(recorded)
	sessions := session.NewTable(session.Settings{}, nil)
	return &handler{recorder: kept, backend: serve, propagator: p, via: "modtap-test", sessions: sessions, identifier: identifier{clients: instance.NewClients("", nil)}}, kept
}

func TestFaultOfOurOwnIsNoSuccess(t *testing.T) {
	in, kept := newIngress(t, func(http.ResponseWriter, *http.Request) { panic("fault") })
	assert.PanicsWithValue(t, "fault", func() {
		in.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, zip, http.NoBody))
	})
	require.Len(t, kept.ends, 1)
	assert.Equal(t, exchange.UpstreamBroke, kept.ends[0].Disposition)
	assert.Equal(t, "_OTHER", kept.ends[0].Error)
}

func TestSpaceInTheTargetIsRefused(t *testing.T) {
	in, kept := newIngress(t, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "asked") })
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, zip, http.NoBody)
	r.RequestURI, r.URL.RawQuery = zip+"?a HTTP/1.1", "a HTTP/1.1" // as HTTP/2 can bring it
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Equal(t, exchange.Refused, kept.ends[0].Disposition)
}
