// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
)

// statusHost remembers the last status.
type statusHost struct {
	component.Host

	mu     sync.Mutex
	status componentstatus.Status
}

func (h *statusHost) Report(event *componentstatus.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = event.Status()
}

func (h *statusHost) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status.String()
}

// answering is a collector whose answers a test chooses; it keeps what it took.
type answering struct {
	*httptest.Server

	mu      sync.Mutex
	answers []int // Status of the next requests; then 202.
	spans   int
	largest int    // Spans a request may have; 0: any.
	media   string // Of the answers in answers; empty: plain text.
	seen    []*http.Request
}

func newAnswering(t *testing.T, answers ...int) *answering {
	t.Helper()
	a := &answering{answers: answers}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r)
	body, _ := io.ReadAll(r.Body)
	batch := jaeger.NewBatch()
	buffer := thrift.NewTMemoryBuffer()
	buffer.Write(body)
	err := batch.Read(r.Context(), thrift.NewTBinaryProtocolConf(buffer, nil))
	status := http.StatusAccepted
	switch {
	case err != nil:
		status = http.StatusBadRequest
	case a.largest > 0 && len(batch.Spans) > a.largest:
		status = http.StatusRequestEntityTooLarge
	case len(a.answers) > 0:
		status, a.answers = a.answers[0], a.answers[1:]
		if a.media != "" {
			w.Header().Set("Content-Type", a.media)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>") // The test fails by what the exporter does.
			return
		}
	}
	if status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	if status == http.StatusAccepted {
		a.spans += len(batch.Spans)
	}
	http.Error(w, "because", status)
}

const quickRetry = "\nsending_queue: {enabled: false}\nretry_on_failure: {initial_interval: 1ms, randomization_factor: 0}"

func TestHTTPAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []int
		spans   int // Of 40, how many arrive.
		dropped map[string]int64
		media   string
	}{
		"case 32: pages":           {answers: []int{200, 202, 400, 404, 415, 422, 502}, spans: 40, media: "text/html; charset=utf-8"},
		"taken":                    {spans: 40},
		"busy for a while":         {answers: []int{500, 503, 429, 502}, spans: 40},
		"on the way":               {answers: []int{401, 403, 404, 408}, spans: 40},
		"redirects don't lose any": {answers: []int{301, 302, 307}, spans: 40},
		"refused for good": {
			answers: []int{202, 400}, spans: 40 - spansOfResource(1),
			dropped: map[string]int64{reasonRefused: int64(spansOfResource(1))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			jaeger, telemetry := newAnswering(t, tt.answers...), measured(t)
			jaeger.media = tt.media
			host := &statusHost{Host: componenttest.NewNopHost()}
			e := start(t, telemetry, host, "endpoint: "+jaeger.URL+"/api/traces"+quickRetry)
			require.NoError(t, e.ConsumeTraces(t.Context(), varied(5, 40, began())))
			assert.Equal(t, tt.spans, jaeger.spans)
			dropped := counted(t, telemetry, "otelcol_exporter_jaeger_dropped_spans")
			assert.Len(t, dropped, len(tt.dropped))
			for reason, n := range tt.dropped {
				assert.Equal(t, n, dropped[reason])
			}
			if len(tt.answers) > 2 {
				assert.Equal(t, "StatusOK", host.last(), "it had failed, and works again")
			}
		})
	}
}

// spansOfResource is how many spans a resource of the input of TestHTTPAnswers has.
func spansOfResource(i int) int {
	return len(newBatch(varied(5, 40, began()).ResourceSpans().At(i)).Spans)
}

func TestHTTPSplitsWhatIsTooLarge(t *testing.T) {
	jaeger, telemetry := newAnswering(t), measured(t)
	jaeger.largest = 3
	e := start(t, telemetry, componenttest.NewNopHost(), "endpoint: "+jaeger.URL+"/api/traces"+quickRetry)
	require.NoError(t, e.ConsumeTraces(t.Context(), varied(5, 40, began())))
	assert.Equal(t, 40, jaeger.spans)
	assert.Empty(t, counted(t, telemetry, "otelcol_exporter_jaeger_dropped_spans"))
}

func TestHTTPCredentials(t *testing.T) {
	jaeger := newAnswering(t)
	endpoint := "http://me:p%40ss@" + jaeger.Listener.Addr().String() + "/api/traces"
	e := start(t, measured(t), componenttest.NewNopHost(), "endpoint: "+endpoint+"\nheaders: {X-Scope-OrgID: builds}"+quickRetry)
	require.NoError(t, e.ConsumeTraces(t.Context(), varied(6, 1, began())))
	user, password, ok := jaeger.seen[0].BasicAuth()
	assert.True(t, ok)
	assert.Equal(t, "me", user)
	assert.Equal(t, "p@ss", password)
	assert.Equal(t, "builds", jaeger.seen[0].Header.Get("X-Scope-OrgID"))
	assert.Equal(t, "application/x-thrift", jaeger.seen[0].Header.Get("Content-Type"))
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, "60000": maxWait,
		"Wed, 24 Nov 2027 00:01:00 GMT": maxWait,
		"Tue, 24 Nov 2026 00:01:00 GMT": time.Minute,
		"Mon, 23 Nov 2026 00:01:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(header, now), "%q", header)
	}
}
