// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/test/port"
)

func TestStatusAndText(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	refused := "http://" + port.Address(t)
	for _, tt := range []struct {
		name   string
		list   string // A and B are the servers.
		a, b   behaviour
		status int
		word   string
		text   string
		asked  int
	}{
		{"404", "A", status(404), nil, 404, "", "404 Not Found: this is 404", 1},
		{"410 decides as the last", "A,B", status(404), status(410), 410, "", "410 Gone", 2},
		{"400 stops", "A,B", status(400), serveModule, 400, "", "400 Bad Request: this is 400", 1},
		{"a failure before not found", "A|B", status(503), status(404), 502, "", "503 Service Unavailable", 2},
		{"the last failure", "A|B", status(500), status(501), 502, "", "501 Not Implemented", 2},
		{"upstream's own time-out", "A", status(504), nil, 504, "", "504 Gateway Timeout", 1},
		{"direct before others", "A|direct", status(500), nil, 404, "not_found", "version control is off", 1},
		{"off", "A,off", status(404), nil, 404, "not_found", "GOPROXY=off", 1},
		{"reset", "A", reset, nil, 502, "connection_reset", "", 1},
		{"garbage", "A", garbage, nil, 502, "bad_response", "not an info", 1},
		{"broken", "A", broken, nil, 502, "connection_reset", "unexpected EOF", 1},
		{"time-out", "A", hang, nil, 504, "timeout", "timeout awaiting response headers", 1},
		{"refused", refused, nil, nil, 502, "connection_refused", "", 0},
		{"no such host", "http://nowhere.invalid", nil, nil, 502, "dns", "nowhere.invalid", 0},
		{"no TLS there", "TLS", serveModule, nil, 502, "tls", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := start(t, tt.a), start(t, tt.b)
			list := strings.NewReplacer("A", a.URL, "B", b.URL, "TLS", "https"+strings.TrimPrefix(a.URL, "http")).Replace(tt.list)
			c := client(t, list, func(s *Settings) { s.Timeouts.Header = 100 * time.Millisecond })
			err := c.Do(t.Context(), Request{Request: asks(stem + ".info")}, func(a *Answer) error {
				body, err := io.ReadAll(a.Body)
				if err == nil && body[0] != '{' {
					err = errors.New("not an info")
				}
				return err
			})
			e := requireError(t, err)
			assert.Equal(t, tt.status, e.Status())
			assert.Equal(t, tt.word, e.Word)
			require.ErrorContains(t, err, tt.text)
			assert.Equal(t, tt.status == 404 || tt.status == 410, errors.Is(err, fs.ErrNotExist))
			assert.Len(t, append(a.paths(), b.paths()...), tt.asked)
		})
	}
}

func TestAttempts(t *testing.T) {
	a, b := start(t, status(404)), start(t, serveModule)
	c := client(t, strings.Replace(a.URL, "://", "://me:secret@", 1)+","+b.URL+"/base?secret=1")
	var spans byte
	ledger := &Ledger{Inject: func(h http.Header) exchange.Span {
		spans++
		h.Set("Traceparent", string('0'+rune(spans)))
		return exchange.Span{SpanID: exchange.SpanID{spans}}
	}}
	var body string
	before := time.Now()
	require.NoError(t, c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, readAll(&body)))
	assert.Equal(t, files()[".mod"], body)

	got := ledger.Take()
	require.Len(t, got, 2)
	assert.Empty(t, ledger.Take(), "each attempt is handed out once")
	for i, at := range got {
		assert.WithinRange(t, at.Start.Time(), before.Add(-time.Millisecond), time.Now())
		assert.Positive(t, at.FirstByte)
		assert.GreaterOrEqual(t, at.Duration, at.FirstByte)
		assert.Equal(t, exchange.SpanID{byte(i + 1)}, at.Span.SpanID)
		assert.Equal(t, "127.0.0.1", at.Address)
		assert.NotZero(t, at.Port)
		assertNoSecret(t, at.URL)
	}
	assert.Equal(t, a.URL+"/"+stem+".mod", got[0].URL)
	assert.Equal(t, 404, got[0].Status)
	assert.Equal(t, "not_found", got[0].Reason)
	assert.EqualValues(t, len("this is 404\n"), got[0].BodySize)
	assert.Equal(t, b.URL+"/base/"+stem+".mod", got[1].URL)
	assert.Equal(t, 200, got[1].Status)
	assert.Empty(t, got[1].Reason)
	assert.EqualValues(t, len(body), got[1].BodySize)

	user, password, _ := (&http.Request{Header: a.heads[0]}).BasicAuth()
	assert.Equal(t, "me secret", user+" "+password)
	assert.Equal(t, "1", a.heads[0].Get("Traceparent"))
	assert.Equal(t, "2", b.heads[0].Get("Traceparent"))
}

func TestRedirectsAreAttempts(t *testing.T) {
	b := start(t, serveModule)
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, b.URL+r.URL.Path+"?signature=secret", http.StatusFound)
	})
	ledger := new(Ledger)
	var body string
	require.NoError(t, client(t, a.URL).Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".zip")}, readAll(&body)))
	assert.Equal(t, files()[".zip"], body)
	got := ledger.Take()
	require.Len(t, got, 2)
	assert.Equal(t, 302, got[0].Status)
	assert.Empty(t, got[0].Error)
	assert.Equal(t, 200, got[1].Status)
	assert.Equal(t, 1, got[1].Resend)
	assert.Equal(t, b.URL+"/"+stem+".zip", got[1].URL)
}

func TestRedirectFromTLSToPlainIsRefused(t *testing.T) {
	plain := start(t, serveModule)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+r.URL.Path+"?secret=1", http.StatusFound)
	}))
	defer secure.Close()
	c := client(t, secure.URL, func(s *Settings) { s.Transport = secure.Client().Transport })
	ledger := new(Ledger)
	err := c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".zip")}, readAll(new(string)))
	e := requireError(t, err)
	assert.Equal(t, 502, e.Status())
	assertNoSecret(t, err.Error())
	assert.Empty(t, plain.paths())
	assert.Len(t, ledger.Take(), 1)
}

func TestIdleBody(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ledger := new(Ledger)
	c := client(t, a.URL, func(s *Settings) { s.Timeouts.Idle = 50 * time.Millisecond })
	err := c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".zip")}, readAll(new(string)))
	e := requireError(t, err)
	assert.Equal(t, 504, e.Status())
	got := ledger.Take()
	require.Len(t, got, 1)
	assert.Equal(t, "timeout", got[0].Error)
	assert.EqualValues(t, 4, got[0].BodySize)
}

func TestSlowReaderIsNotIdle(t *testing.T) {
	a := start(t, serveModule)
	c := client(t, a.URL, func(s *Settings) { s.Timeouts.Idle = 50 * time.Millisecond })
	err := c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, func(a *Answer) error {
		_, err := a.Body.Read(make([]byte, 1))
		time.Sleep(150 * time.Millisecond)
		if err == nil {
			_, err = io.ReadAll(a.Body)
		}
		return err
	})
	require.NoError(t, err)
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := start(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	b := start(t, serveModule)
	ledger := new(Ledger)
	err := client(t, a.URL+"|"+b.URL).Do(ctx, Request{Ledger: ledger, Request: asks(stem + ".zip")}, readAll(new(string)))
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, b.paths(), "nobody waits for the next")
	got := ledger.Take()
	require.Len(t, got, 1)
	assert.Equal(t, "canceled", got[0].Error)
}

func TestStop(t *testing.T) {
	a, b := start(t, serveModule), start(t, serveModule)
	full := errors.New("disk full")
	err := client(t, a.URL+"|"+b.URL).Do(t.Context(), Request{Request: asks(stem + ".zip")}, func(*Answer) error { return Stop(full) })
	assert.Same(t, full, err)
	assert.Empty(t, b.paths())
}

func TestRequestHeaderAndMethod(t *testing.T) {
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	})
	var got *http.Response
	var body string
	accept := func(a *Answer) error {
		got = a.Response
		return readAll(&body)(a)
	}
	c := client(t, a.URL)
	require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".zip"), Header: http.Header{"Range": {"bytes=2-4"}}}, accept))
	assert.Equal(t, 206, got.StatusCode)
	assert.Equal(t, "234", body)
	require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".zip"), Method: http.MethodHead}, accept))
	assert.EqualValues(t, 10, got.ContentLength)
	assert.Empty(t, body)
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, filepath.FromSlash(stem+".mod"))
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte("module example.com/m\n"), 0o600))
	c := client(t, (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String())
	var body string
	require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(&body)))
	assert.Equal(t, "module example.com/m\n", body)
	require.ErrorIs(t, c.Do(t.Context(), Request{Request: asks(stem + ".zip")}, readAll(&body)), fs.ErrNotExist)
	require.ErrorIs(t, c.Do(t.Context(), Request{Request: asks("example.com/m")}, readAll(&body)), fs.ErrNotExist)
}

func TestConfirmed(t *testing.T) {
	for _, tt := range []struct {
		name, list string
		a, b       behaviour
		want       bool
	}{
		{"all say no", "A,B", status(404), status(410), true},
		{"one failed", "A|B", status(500), status(404), false},
		{"direct is off", "A,direct", status(404), nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := start(t, tt.a), start(t, tt.b)
			c := client(t, strings.NewReplacer("A", a.URL, "B", b.URL).Replace(tt.list))
			e := requireError(t, c.Do(t.Context(), Request{Request: asks("example.com/m/@v/list")}, readAll(new(string))))
			assert.Equal(t, tt.want, e.Confirmed)
		})
	}
}

func TestDetail(t *testing.T) {
	for _, tt := range []struct{ name, contentType, body, want string }{
		{"text", "text/plain; charset=UTF-8", "not found: no such\nmodule\n\nmore", "not found: no such\nmodule"},
		{"html", "text/html", "<p>no</p>", ""},
		{"terminal games", "text/plain", "a\x1b[2Jb", ""},
		{"not UTF-8", "text/plain", "a\xffb", ""},
		{"long", "text/plain", strings.Repeat("é", 2000), strings.Repeat("é", 512)},
		{"long and odd", "text/plain", "x" + strings.Repeat("é", 2000), "x" + strings.Repeat("é", 511)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Response{Header: http.Header{"Content-Type": {tt.contentType}}, Body: io.NopCloser(strings.NewReader(tt.body))}
			assert.Equal(t, tt.want, detail(r))
		})
	}
}

func BenchmarkDo(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(serveModule))
	defer s.Close()
	list, _ := Parse(s.URL)
	c, err := New(Settings{List: list})
	require.NoError(b, err)
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Do(b.Context(), Request{Ledger: new(Ledger), Request: asks(stem + ".info")}, readAll(new(string))); err != nil {
			b.Fatal(err)
		}
	}
}
