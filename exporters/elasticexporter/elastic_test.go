// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/modtap/modtap/test/port"
)

func TestDocumentsLieInTheIndexOfTheirDay(t *testing.T) {
	c := newCluster(t)
	cfg := direct(c.URL)
	cfg.User, cfg.Password = "modtap", "secret"
	logs := started(t, settings(), cfg)

	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "2")))
	assert.Equal(t, "modtap-requests-2026.11.22", c.documents["1"].Index)
	assert.Equal(t, "modtap-requests-2026.11.23", c.documents["2"].Index)
	assert.Equal(t, map[string]any{
		"@timestamp": "2026-11-22T23:59:59.999999999Z",
		"event":      map[string]any{"id": "1"},
		"service":    map[string]any{"name": "proxy-0"},
	}, c.documents["1"].Source)
	assert.Equal(t, "application/x-ndjson", c.header.Get("Content-Type"))
	assert.Equal(t, "Basic bW9kdGFwOnNlY3JldA==", c.header.Get("Authorization"))

	require.NoError(t, logs.ConsumeLogs(t.Context(), plog.NewLogs()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "3")), "what is there already is no error")
	assert.ElementsMatch(t, []string{"1", "2", "3"}, c.ids())
	assert.Len(t, c.bulks, 2)
	assert.Equal(t, []string{"modtap-requests " + templateVersion(t) + " [modtap-requests-*]"}, c.templates, "once")
}

func TestAPIKey(t *testing.T) {
	c := newCluster(t)
	cfg := direct(c.URL)
	cfg.APIKey = "aWQ6a2V5"
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, []string{"ApiKey aWQ6a2V5"}, c.header.Values("Authorization"))
}

func TestALaterTemplateIsKept(t *testing.T) {
	for existing, want := range map[int]int{3: 1, 4: 0, 5: 0} {
		c := newCluster(t)
		c.existing = existing
		require.NoError(t, started(t, settings(), direct(c.URL)).ConsumeLogs(t.Context(), records("1")))
		assert.Len(t, c.templates, want)
	}
}

func TestABackendThatIsDownAtTheStart(t *testing.T) {
	c, address := newStoppedCluster(t), port.Address(t)
	require.NoError(t, c.Listener.Close())
	logs := started(t, settings(), direct("http://"+address))

	for range 3 {
		err := logs.ConsumeLogs(t.Context(), records("1"))
		require.ErrorContains(t, err, "connection refused")
		require.False(t, consumererror.IsPermanent(err))
	}

	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	c.Listener = listener
	c.Start()
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, []string{"1"}, c.ids())
	assert.Len(t, c.templates, 1)
}

func TestTheTemplateIsPutAgainAfterAFault(t *testing.T) {
	c := newCluster(t)
	c.whole = func(bulk int) int {
		if bulk == 1 {
			c.existing = 0 // As if it came back empty.
			return http.StatusServiceUnavailable
		}
		return 0
	}
	logs := started(t, settings(), retrying(c.URL))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("2")))
	assert.Len(t, c.bulks, 3)
	assert.Len(t, c.templates, 2)
}

func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	c := newCluster(t)
	busy := map[string]itemFate{
		"2": {http.StatusTooManyRequests, "es_rejected_execution_exception", "queue full"},
		"3": {http.StatusServiceUnavailable, "unavailable_shards_exception", "no shard"},
		"4": {http.StatusForbidden, "cluster_block_exception", "disk full"},
	}
	c.item = func(id string) itemFate {
		if fate, ok := busy[id]; ok {
			delete(busy, id)
			return fate
		}
		return itemFate{status: http.StatusCreated}
	}
	require.NoError(t, started(t, settings(), retrying(c.URL)).ConsumeLogs(t.Context(), records("1", "2", "3", "4", "5")))
	assert.Equal(t, [][]string{{"1", "2", "3", "4", "5"}, {"2", "3", "4"}}, c.bulks)
	assert.ElementsMatch(t, []string{"1", "2", "3", "4", "5"}, c.ids())
}

func TestTheErrorCarriesOnlyWhatFailed(t *testing.T) {
	c := newCluster(t)
	c.item = func(id string) itemFate {
		if id == "4" {
			return itemFate{http.StatusTooManyRequests, "es_rejected_execution_exception", "queue full"}
		}
		return itemFate{status: http.StatusCreated}
	}
	e, err := newLogsExporter(direct(c.URL), settings())
	require.NoError(t, err)
	require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, e.shutdown(t.Context())) })

	batch := records("1", "2", "3", "4")
	err = e.pushLogs(t.Context(), batch)
	require.ErrorContains(t, err, "1 of 4 documents not taken for now: es_rejected_execution_exception: queue full: the cause")
	var partial consumererror.Logs
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, []string{"4"}, eventIDs(partial.Data()))
	assert.Equal(t, 1, partial.Data().ResourceLogs().Len())
	service, _ := partial.Data().ResourceLogs().At(0).Resource().Attributes().Get("service.name")
	assert.Equal(t, "proxy-1", service.Str())
	assert.Equal(t, records("1", "2", "3", "4"), batch, "the batch isn't changed")
}

func TestRefusedDocumentsAreCountedAndTold(t *testing.T) {
	c := newCluster(t)
	c.item = func(id string) itemFate {
		if id == "ok" {
			return itemFate{status: http.StatusCreated}
		}
		return itemFate{http.StatusBadRequest, "mapper_parsing_exception", "failed to parse"}
	}
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	core, observed := observer.New(zapcore.WarnLevel)
	set := settings()
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	set.Logger = zap.New(core)

	logs := started(t, set, direct(c.URL))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("bad1", "ok", "bad2")))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("bad3")))
	assert.Equal(t, []string{"ok"}, c.ids())

	metric, err := telemetry.GetMetric("otelcol_exporter_elastic_rejected_documents")
	require.NoError(t, err)
	points := metric.Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, points, 1)
	assert.Equal(t, int64(3), points[0].Value)
	kind, _ := points[0].Attributes.Value("error.type")
	assert.Equal(t, "mapper_parsing_exception", kind.AsString())

	require.Equal(t, 1, observed.FilterLevelExact(zapcore.WarnLevel).Len(), "once a minute")
	assert.Equal(t, map[string]any{
		"index": "modtap-requests-2026.11.22", "event.id": "bad1", "status": int64(400),
		"error.type": "mapper_parsing_exception", "reason": "failed to parse: the cause", "dead_letter": "",
	}, observed.All()[0].ContextMap())
}

func TestABatchThatIsTooLargeIsHalved(t *testing.T) {
	c := newCluster(t)
	c.whole = func(bulk int) int {
		if bulk == 0 || bulk == 2 {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}
	c.item = func(id string) itemFate {
		if id == "5" && len(c.bulks) < 5 {
			return itemFate{http.StatusTooManyRequests, "busy", "queue full"}
		}
		return itemFate{status: http.StatusCreated}
	}
	require.NoError(t, started(t, settings(), retrying(c.URL)).ConsumeLogs(t.Context(), records("1", "2", "3", "4", "5")))
	assert.Equal(t, [][]string{
		{"1", "2", "3", "4", "5"}, {"1", "2"}, {"3", "4", "5"}, {"3"}, {"4", "5"}, {"5"},
	}, c.bulks)
}

func TestFaultsOfAWholeRequest(t *testing.T) {
	for status, permanent := range map[int]bool{
		http.StatusUnauthorized: false, http.StatusForbidden: false,
		http.StatusTooManyRequests: false, http.StatusInternalServerError: false, http.StatusBadGateway: false,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			c := newCluster(t)
			c.whole = func(int) int { return status }
			err := started(t, settings(), direct(c.URL)).ConsumeLogs(t.Context(), records("1", "2"))
			require.ErrorContains(t, err, http.StatusText(status))
			assert.Equal(t, permanent, consumererror.IsPermanent(err))
			assert.Len(t, c.bulks, 1, "the exporter helper retries, nobody else")
		})
	}
}

func TestAnAnswerThatIsNoneOfElasticsearch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write([]byte(`{}`))
		assert.NoError(t, err)
	}))
	t.Cleanup(server.Close)
	err := started(t, settings(), direct(server.URL)).ConsumeLogs(t.Context(), records("1", "2"))
	require.ErrorContains(t, err, "answer of Elasticsearch to 2 documents tells of 0")
	assert.False(t, consumererror.IsPermanent(err))
}

func TestAHangingBackendEndsWithTheTimeout(t *testing.T) {
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(released) })
	cfg := direct(server.URL)
	cfg.Timeout = 50 * time.Millisecond
	begin := time.Now()
	err := started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1"))
	require.ErrorContains(t, err, "context deadline exceeded")
	assert.False(t, consumererror.IsPermanent(err))
	assert.Less(t, time.Since(begin), 5*time.Second)
}

func TestANodeThatReturnsIsUsedAgain(t *testing.T) {
	first, second, address := newCluster(t), newStoppedCluster(t), port.Address(t)
	require.NoError(t, second.Listener.Close())
	logs := started(t, settings(), direct(first.URL, "http://"+address))
	for range 4 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	}
	assert.Len(t, first.bulks, 4)

	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	second.Listener = listener
	second.Start()
	for range 4 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	}
	assert.Len(t, first.bulks, 6)
	assert.Len(t, second.bulks, 2)
}

func TestCredentialsAreInNoLogAndNoError(t *testing.T) {
	core, observed := observer.New(zapcore.DebugLevel)
	set := settings()
	set.Logger = zap.New(core)

	down := port.Address(t)
	forbidding := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		assert.Equal(t, "us er:hunter2", user+":"+password)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(forbidding.Close)

	for _, host := range []string{down, strings.TrimPrefix(forbidding.URL, "http://")} {
		cfg := retrying("http://us%20er:hunter2@" + host)
		cfg.RetryConfig.MaxElapsedTime = 20 * time.Millisecond
		err := started(t, set, cfg).ConsumeLogs(t.Context(), records("1"))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "us%20er")
	}
	require.NotZero(t, observed.Len())
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range observed.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		require.NoError(t, err)
		assert.NotContains(t, line.String(), "hunter2")
		assert.NotContains(t, line.String(), "us%20er")
	}
}

func TestTLS(t *testing.T) {
	c := newStoppedCluster(t)
	c.StartTLS()
	cfg := direct(c.URL)
	err := started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1"))
	require.ErrorContains(t, err, "certificate")

	cfg.TLS.InsecureSkipVerify = true
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, []string{"1"}, c.ids())
}

func TestAFaultOfTLSStopsTheStart(t *testing.T) {
	cfg := direct("https://localhost:9200")
	cfg.TLS.CAFile = "testdata/none.pem"
	logs, err := NewFactory().CreateLogs(t.Context(), settings(), cfg)
	require.NoError(t, err)
	err = logs.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, "exporters::elastic/test::tls: ")
	require.ErrorContains(t, err, "testdata/none.pem")
	assert.NoError(t, logs.Shutdown(t.Context()))
}

func TestLifecycle(t *testing.T) {
	c := newCluster(t)
	cfg := retrying(c.URL)
	cfg.QueueConfig = configoptional.Some(exporterhelper.NewDefaultQueueConfig())
	unstarted, err := NewFactory().CreateLogs(t.Context(), settings(), cfg)
	require.NoError(t, err)
	require.NoError(t, unstarted.Shutdown(t.Context()), "before the start")

	logs, err := NewFactory().CreateLogs(t.Context(), settings(), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Equal(t, []string{"1"}, c.ids(), "the queue is emptied")
}

func TestStartAndShutdownTwice(t *testing.T) {
	e, err := newLogsExporter(direct("http://localhost:9200"), settings())
	require.NoError(t, err)
	require.NoError(t, e.shutdown(t.Context()))
	host := componenttest.NewNopHost()
	require.NoError(t, errors.Join(e.start(t.Context(), host), e.start(t.Context(), host)))
	require.NoError(t, errors.Join(e.shutdown(t.Context()), e.shutdown(t.Context())))
	assert.Len(t, e.nodes.clients, 1)
}

func BenchmarkDocuments(b *testing.B) {
	e, err := newLogsExporter(direct("http://localhost:9200"), settings())
	require.NoError(b, err)
	batch := records(strings.Split(strings.Repeat("0123456789,", 511)+"x", ",")...)
	b.ReportAllocs()
	for b.Loop() {
		if e.batcher.logs(batch).len() != 512 {
			b.Fatal("documents are missing")
		}
	}
}

// templateVersion is that of the template which is committed.
func templateVersion(t *testing.T) string {
	t.Helper()
	var body struct{ Version int }
	require.NoError(t, json.Unmarshal(templateJSON, &body))
	return strconv.Itoa(body.Version)
}
