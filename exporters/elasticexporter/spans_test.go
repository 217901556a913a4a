// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/document"
)

// threeSpans are a server span with everything that a span can have, its child,
// and one that says nothing.
func threeSpans() ptrace.Traces {
	traces := ptrace.NewTraces()
	inResource := traces.ResourceSpans().AppendEmpty()
	inResource.Resource().Attributes().PutStr("service.name", "proxy")
	spans := inResource.ScopeSpans().AppendEmpty().Spans()
	begin := time.Date(2026, time.November, 22, 23, 59, 59, 0, time.UTC)
	for i := range 3 {
		span := spans.AppendEmpty()
		span.SetTraceID(pcommon.TraceID{1})
		span.SetSpanID(pcommon.SpanID{byte(2 + i)})
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(begin))
	}
	server, client := spans.At(0), spans.At(1)
	server.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(1500 * time.Millisecond)))
	server.SetParentSpanID(pcommon.SpanID{7})
	server.SetName("GET /{module}/@v/list")
	server.SetKind(ptrace.SpanKindServer)
	server.TraceState().FromRaw("modtap=root")
	server.Status().SetCode(ptrace.StatusCodeError)
	server.Status().SetMessage("it broke")
	server.Attributes().PutInt("http.response.status_code", 502)
	server.Attributes().PutInt("http.response.body.size", 12)
	server.Attributes().PutStr("event.id", "somebody else's")
	link := server.Links().AppendEmpty()
	link.SetTraceID(pcommon.TraceID{9})
	link.SetSpanID(pcommon.SpanID{8})
	link.Attributes().PutStr("a.b", "c")
	event := server.Events().AppendEmpty()
	event.SetName("first byte")
	event.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Second)))
	client.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Second)))
	client.SetParentSpanID(server.SpanID())
	client.SetKind(ptrace.SpanKindClient)
	client.Status().SetCode(ptrace.StatusCodeOk)
	return traces
}

const serverSpanDocument = `{
	"@timestamp": "2026-11-22T23:59:59.000000000Z",
	"error": {"message": "it broke"},
	"event": {
		"duration": 1500000000, "id": "010000000000000000000000000000000200000000000000", "outcome": "failure",
		"start": "2026-11-22T23:59:59.000000000Z", "end": "2026-11-23T00:00:00.500000000Z"
	},
	"http": {"response": {"status_code": 502, "body": {"bytes": 12}}},
	"parent": {"id": "0700000000000000"},
	"service": {"name": "proxy"},
	"span": {
		"id": "0200000000000000", "kind": "server", "name": "GET /{module}/@v/list", "trace_state": "modtap=root",
		"links": [{"trace": {"id": "09000000000000000000000000000000"}, "span": {"id": "0800000000000000"}, "attributes": {"a.b": "c"}}],
		"events": [{"name": "first byte", "timestamp": "2026-11-23T00:00:00Z"}]
	},
	"trace": {"id": "01000000000000000000000000000000"}
}`

func TestSpanDocuments(t *testing.T) {
	traces := threeSpans()
	resource, spans := traces.ResourceSpans().At(0).Resource(), traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	var encoder document.Encoder
	encoder.Within(resource, pcommon.NewInstrumentationScope())
	assert.JSONEq(t, serverSpanDocument, string(encoder.AppendJSON(nil, spanRecord(spans.At(0)))))
	assert.JSONEq(t, `{"@timestamp":"2026-11-22T23:59:59.000000000Z","event":{"start":"2026-11-22T23:59:59.000000000Z","end":"2026-11-23T00:00:00.000000000Z","duration":1000000000,"id":"010000000000000000000000000000000300000000000000","outcome":"success"},
		"parent":{"id":"0200000000000000"},"service":{"name":"proxy"},"span":{"id":"0300000000000000","kind":"client","name":""},"trace":{"id":"01000000000000000000000000000000"}}`,
		string(encoder.AppendJSON(nil, spanRecord(spans.At(1)))))
	assert.JSONEq(t, `{"@timestamp":"2026-11-22T23:59:59.000000000Z","event":{"start":"2026-11-22T23:59:59.000000000Z","end":"2026-11-22T23:59:59.000000000Z","duration":0,"id":"010000000000000000000000000000000400000000000000"},
		"service":{"name":"proxy"},"span":{"id":"0400000000000000","kind":"unspecified","name":""},"trace":{"id":"01000000000000000000000000000000"}}`,
		string(encoder.AppendJSON(nil, spanRecord(spans.At(2)))), "no end: no duration below 0")
}

func TestOnlyTheSpansThatFailedAreSentAgain(t *testing.T) {
	c := newCluster(t)
	const busy = "010000000000000000000000000000000300000000000000"
	c.item = func(id string) itemFate {
		if id == busy {
			return itemFate{http.StatusTooManyRequests, "es_rejected_execution_exception", "queue full"}
		}
		return itemFate{status: http.StatusCreated}
	}
	cfg := direct(c.URL)
	traces, err := NewFactory().CreateTraces(t.Context(), settings(), cfg)
	require.NoError(t, err)
	require.NoError(t, traces.Start(t.Context(), componenttest.NewNopHost()))
	err = traces.ConsumeTraces(t.Context(), threeSpans())
	require.NoError(t, traces.Shutdown(t.Context()))
	var partial consumererror.Traces
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, 1, partial.Data().SpanCount())
	assert.Equal(t, "modtap-spans-2026.11.22", c.documents["010000000000000000000000000000000200000000000000"].Index)
	assert.Equal(t, []string{"modtap-spans " + templateVersion(t) + " [modtap-spans-*]"}, c.templates)
}
