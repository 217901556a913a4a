// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

var start = time.Date(2026, time.November, 22, 10, 11, 12, 13_000_000, time.FixedZone("", 3600))

// exchange is a record as the engine tells it.
func exchange(t testing.TB) (pcommon.Resource, plog.LogRecord) {
	t.Helper()
	resource := pcommon.NewResource()
	require.NoError(t, resource.Attributes().FromRaw(map[string]any{
		"service.name":                "goproxy",
		"service.instance.id":         "0f5b",
		"deployment.environment.name": "ci",
	}))
	record := plog.NewLogRecord()
	record.SetTimestamp(pcommon.NewTimestampFromTime(start))
	record.SetTraceID(pcommon.TraceID{0x0a, 15: 0xff})
	record.SetSpanID(pcommon.SpanID{0x0b, 7: 0x01})
	record.SetSeverityText("info")
	record.Body().SetStr("GET /rsc.io/quote/@v/v1.5.2.zip 200")
	require.NoError(t, record.Attributes().FromRaw(map[string]any{
		"event.id":                   "01-7",
		"event.duration":             int64(1_455_000_000),
		"http.request.method":        "GET",
		"http.response.status_code":  int64(200),
		"http.response.body.bytes":   int64(5213),
		"url.path":                   "/rsc.io/quote/@v/v1.5.2.zip",
		"client.address":             "127.0.0.1",
		"user_agent.original":        "Go-http-client/1.1",
		"goproxy.schema":             int64(2),
		"goproxy.side":               "ingress",
		"goproxy.operation":          "zip",
		"goproxy.module.path":        "rsc.io/quote",
		"goproxy.module.version":     "v1.5.2",
		"goproxy.module.version_age": 86400.0,
		"goproxy.cache.result":       "miss",
		"goproxy.cache.evidence":     "embedded",
		"goproxy.outcome":            "ok",
		"goproxy.session.id":         "s1",
		"goproxy.session.inferred":   true,
		"goproxy.upstream": []any{
			map[string]any{"address": "proxy.example.com", "status": int64(200), "duration": int64(1_400_000_000)},
			map[string]any{"address": "direct", "reason": "timeout"},
		},
	}))
	return resource, record
}

// encode is the document of a record alone in its batch.
func encode(resource pcommon.Resource, record plog.LogRecord) []byte {
	var encoder Encoder
	encoder.Within(resource, pcommon.NewInstrumentationScope())
	return encoder.AppendJSON(nil, record)
}

func TestDocumentOfAnExchange(t *testing.T) {
	resource, record := exchange(t)
	want := strings.NewReplacer("\n", "", "\t", "").Replace(`{
	"@timestamp":"2026-11-22T09:11:12.013000000Z",
	"client":{"address":"127.0.0.1","ip":"127.0.0.1"},
	"deployment":{"environment":{"name":"ci"}},
	"event":{"duration":1455000000,"end":"2026-11-22T09:11:13.468000000Z","id":"01-7","start":"2026-11-22T09:11:12.013000000Z"},
	"goproxy":{
		"cache":{"evidence":"embedded","result":"miss"},
		"module":{"path":"rsc.io/quote","version":"v1.5.2","version_age":86400.0},
		"operation":"zip","outcome":"ok","schema":2,
		"session":{"id":"s1","inferred":true},
		"side":"ingress",
		"upstream":[
			{"address":"proxy.example.com","duration":1400000000,"status":200},
			{"address":"direct","reason":"timeout"}
		]
	},
	"http":{"request":{"method":"GET"},"response":{"body":{"bytes":5213},"status_code":200}},
	"log":{"level":"info"},
	"message":"GET /rsc.io/quote/@v/v1.5.2.zip 200",
	"service":{"environment":"ci","instance":{"id":"0f5b"},"name":"goproxy","node":{"name":"0f5b"}},
	"span":{"id":"0b00000000000001"},
	"trace":{"id":"0a0000000000000000000000000000ff"},
	"url":{"original":"/rsc.io/quote/@v/v1.5.2.zip","path":"/rsc.io/quote/@v/v1.5.2.zip"},
	"user_agent":{"original":"Go-http-client/1.1"}
	}`)
	var encoder Encoder
	for range 2 { // A reused encoder remembers nothing.
		encoder.Within(resource, pcommon.NewInstrumentationScope())
		got := encoder.AppendJSON([]byte("before:"), record)
		assert.Equal(t, "before:"+want, string(got))
	}
	assert.Equal(t, "01-7", ID(record))
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name             string
		record, resource map[string]any
		want             string
	}{
		{
			name:     "record wins over resource",
			record:   map[string]any{"a.b": "record"},
			resource: map[string]any{"a.b": "resource", "a.c": "resource"},
			want:     `"a":{"b":"record","c":"resource"}`,
		},
		{
			name:   "scalar beside an object",
			record: map[string]any{"a": int64(1), "a.b": int64(2), "a.b.c": int64(3)},
			want:   `"a":{"b":{"c":3,"value":2},"value":1}`,
		},
		{
			name:     "scalar of the resource beside an object of the record",
			record:   map[string]any{"service.name": "x"},
			resource: map[string]any{"service": "y"},
			want:     `"service":{"name":"x","value":"y"}`,
		},
		{
			name:   "value is taken",
			record: map[string]any{"a": int64(1), "a.value": int64(2), "a.value_.x": int64(3)},
			want:   `"a":{"value":2,"value_":{"x":3},"value__":1}`,
		},
		{
			name:   "a map is a scalar here",
			record: map[string]any{"a": map[string]any{"x.y": int64(1)}, "a.b": int64(2)},
			want:   `"a":{"b":2,"value":{"x.y":1}}`,
		},
		{
			name:   "names that only look alike",
			record: map[string]any{"a": int64(1), "a-b": int64(2), "ab": int64(3), "b": int64(4), "b-": int64(5), "b.c": int64(6)},
			want:   `"a":1,"a-b":2,"ab":3,"b":{"c":6,"value":4},"b-":5`,
		},
		{
			name:   "empty and blank parts",
			record: map[string]any{"": int64(1), "a..b": int64(2), ".c": int64(3), "d.": int64(4), " \t.e": int64(5)},
			want:   `"_":{"c":3,"e":5,"value":1},"a":{"_":{"b":2}},"d":{"_":4}`,
		},
		{
			name:   "beneath a field of the record itself",
			record: map[string]any{"message.a.b": int64(1), "@timestamp.x": int64(2), "trace.id.x": int64(3), "trace": int64(4)},
			want:   `"@timestamp_x":2,"message_a":{"b":1},"trace":{"id_x":3,"value":4}`,
		},
		{
			name:   "too deep",
			record: map[string]any{strings.Repeat("a.", 20) + "b": int64(1)},
			want:   strings.Repeat(`"a":{`, 15) + `"a_a_a_a_a_b":1` + strings.Repeat("}", 15),
		},
		{
			name:   "invalid UTF-8",
			record: map[string]any{"a\xff.b\xfe\xfd": "c\xff"},
			want:   `"a` + "\uFFFD" + `":{"b` + "\uFFFD\uFFFD" + `":"c` + "\uFFFD" + `"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resource, record := pcommon.NewResource(), plog.NewLogRecord()
			require.NoError(t, record.Attributes().FromRaw(tt.record))
			require.NoError(t, resource.Attributes().FromRaw(tt.resource))
			got := string(encode(resource, record))
			var own string
			if rest, ok := strings.CutPrefix(got, `{"@timestamp":"1970-01-01T00:00:00.000000000Z",`); ok {
				own = strings.TrimSuffix(rest, "}")
			}
			assert.Equal(t, tt.want, own, got)
		})
	}
}

func TestOwnFieldsWinOverAttributes(t *testing.T) {
	record := plog.NewLogRecord()
	record.SetObservedTimestamp(pcommon.NewTimestampFromTime(start))
	record.SetTraceID(pcommon.TraceID{15: 1})
	record.Body().SetStr("body")
	require.NoError(t, record.Attributes().FromRaw(map[string]any{
		"@timestamp": "never", "trace.id": "other", "span.id": "kept", "message": "other", "log.level": "kept",
	}))
	assert.JSONEq(t, `{"@timestamp":"2026-11-22T09:11:12.013000000Z","message":"body","log":{"level":"kept"},
		"span":{"id":"kept"},"trace":{"id":"00000000000000000000000000000001"}}`,
		string(encode(pcommon.NewResource(), record)))
}

func TestTimeOfTheRecordWinsOverTheObservedTime(t *testing.T) {
	record := plog.NewLogRecord()
	assert.Equal(t, time.Unix(0, 0).UTC(), Time(record))
	record.SetObservedTimestamp(2)
	assert.Equal(t, time.Unix(0, 2).UTC(), Time(record))
	record.SetTimestamp(1)
	assert.Equal(t, time.Unix(0, 1).UTC(), Time(record))
}

func TestDuplicateAttributesCountOnce(t *testing.T) {
	// Put never makes equal names; here they become equal by the repair.
	record := plog.NewLogRecord()
	record.Attributes().PutStr("a\xff", "first")
	record.Attributes().PutStr("a\xfe", "second")
	inner := record.Attributes().PutEmptyMap("m")
	inner.PutStr("k\xff", "first")
	inner.PutStr("k\xfe", "second")
	assert.JSONEq(t, `{"@timestamp":"1970-01-01T00:00:00.000000000Z","a\ufffd":"first","m":{"k\ufffd":"first"}}`,
		string(encode(pcommon.NewResource(), record)))
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", nil, `null`},
		{"largest integer", int64(math.MaxInt64), `9223372036854775807`},
		{"smallest integer", int64(math.MinInt64), `-9223372036854775808`},
		{"whole double", 3.0, `3.0`},
		{"negative zero", math.Copysign(0, -1), `-0.0`},
		{"double", 0.1, `0.1`},
		{"large double", 1e300, `1e+300`},
		{"small double", -1.5e-9, `-1.5e-09`},
		{"no number", math.NaN(), `null`},
		{"infinity", math.Inf(-1), `null`},
		{"true", true, `true`},
		{"bytes", []byte{0, 0xff}, `"AP8="`},
		{"escapes", "\"\\\n\r\t\x00\x1f\x7f\u2028\u2029é😀", `"\"\\\n\r\t\u0000\u001f\u007f\u2028\u2029é😀"`},
		{"html stays", "<a&b>", `"<a&b>"`},
		{"slice", []any{int64(1), "x", nil, []any{}}, `[1,"x",null,[]]`},
		{"map", map[string]any{"b": int64(1), "a.x": map[string]any{"z": true, "": 1.5}, "ab": map[string]any{}}, `{"a.x":{"":1.5,"z":true},"ab":{},"b":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			value := pcommon.NewValueEmpty()
			require.NoError(t, value.FromRaw(tt.value))
			assert.Equal(t, tt.want, string(new(Encoder).appendValue(nil, value, 0)))
		})
	}
}

func TestDeepValuesEnd(t *testing.T) {
	record := plog.NewLogRecord()
	value := record.Attributes().PutEmpty("deep")
	for range 20_000 {
		value = value.SetEmptySlice().AppendEmpty()
	}
	got := string(encode(pcommon.NewResource(), record))
	assert.Contains(t, got, `"deep":`+strings.Repeat("[", maxNesting)+"null"+strings.Repeat("]", maxNesting))
}

// TestShapesThatComeAgain: what an encoder remembers of documents before changes none.
func TestShapesThatComeAgain(t *testing.T) {
	resource, whole := exchange(t)
	scope := pcommon.NewInstrumentationScope()
	scope.Attributes().PutStr("event.kind", "event")
	var reused Encoder
	for round := range 2 {
		for i := range 3 * maxShapes {
			record := plog.NewLogRecord()
			whole.CopyTo(record)
			switch i % 4 {
			case 1:
				record.Attributes().PutStr("client.address", "a keyed hash")
			case 2:
				record.Body().SetEmptyMap()
				record.SetTraceID(pcommon.TraceID{})
			case 3:
				record.Attributes().Remove("event.duration")
				record.Attributes().PutStr("client.ip", "192.0.2.1")
			}
			record.Attributes().PutInt(strings.Repeat("x", i)+".y", int64(round))
			var fresh Encoder
			fresh.Within(resource, scope)
			reused.Within(resource, scope)
			require.Equal(t, string(fresh.AppendJSON(nil, record)), string(reused.AppendJSON(nil, record)))
			require.LessOrEqual(t, len(reused.shapes.known), maxShapes)
		}
	}
}

func TestClientIPIsAnAddress(t *testing.T) {
	for address, want := range map[string]bool{"192.0.2.1": true, "::1": true, "fe80::1%eth0": false, "h:0123": false, "": false} {
		record := plog.NewLogRecord()
		record.Attributes().PutStr("client.address", address)
		assert.Equal(t, want, strings.Contains(string(encode(pcommon.NewResource(), record)), `"ip":"`+address+`"`), address)
	}
}

func TestScopeStandsBetweenRecordAndResource(t *testing.T) {
	resource, scope, record := pcommon.NewResource(), pcommon.NewInstrumentationScope(), plog.NewLogRecord()
	require.NoError(t, record.Attributes().FromRaw(map[string]any{"a": "record"}))
	require.NoError(t, scope.Attributes().FromRaw(map[string]any{"a": "scope", "b": "scope"}))
	require.NoError(t, resource.Attributes().FromRaw(map[string]any{"a": "resource", "b": "resource", "c": "resource"}))
	var encoder Encoder
	encoder.Within(resource, scope)
	assert.JSONEq(t, `{"@timestamp":"1970-01-01T00:00:00.000000000Z","a":"record","b":"scope","c":"resource"}`, string(encoder.AppendJSON(nil, record)))
}

func TestBodyThatIsNoStringBecomesText(t *testing.T) {
	record := plog.NewLogRecord()
	record.Body().SetEmptyMap().PutInt("a", 1)
	assert.Contains(t, string(encode(pcommon.NewResource(), record)), `"message":"{\"a\":1}"`)
}

func TestIDIsEmptyWithoutAttribute(t *testing.T) {
	assert.Empty(t, ID(plog.NewLogRecord()))
}

func BenchmarkAppendJSON(b *testing.B) {
	resource, record := exchange(b)
	var encoder Encoder
	encoder.Within(resource, pcommon.NewInstrumentationScope())
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = encoder.AppendJSON(dst[:0], record)
	}
	b.SetBytes(int64(len(dst)))
}
