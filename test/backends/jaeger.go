// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
)

// JaegerServer is a running Jaeger with its storage in memory; [Server.URL] is its query API and UI.
type JaegerServer struct {
	*Server
	// OTLPHTTP is the base URL of the OTLP receiver over HTTP.
	OTLPHTTP string
	// OTLPGRPC is the address (host:port) of the OTLP receiver over gRPC, without TLS.
	OTLPGRPC string
	// Thrift is the base URL of the collector's HTTP listener: /api/traces and /api/sampling.
	Thrift string
}

// Jaeger starts Jaeger all-in-one; args are more command-line arguments. A restart loses its traces.
func Jaeger(tb testing.TB, args ...string) *JaegerServer {
	tb.Helper()
	dir := need(tb, jaegerRecipe)
	flags := []string{
		"--query.http-server.host-port", "--collector.otlp.http.host-port", "--collector.otlp.grpc.host-port",
		"--collector.http-server.host-port", "--admin.http.host-port", "--query.grpc-server.host-port", "--collector.grpc-server.host-port",
	}
	var addresses []string
	server := launch(tb, jaegerRecipe.title, len(flags), func(_ string, ports []int) plan {
		addresses = addresses[:0]
		all := append([]string{"--memory.max-traces=100000", "--log-level=warn"}, args...)
		for i, flag := range flags {
			addresses = append(addresses, loopback(ports[i]))
			all = append(all, flag+"="+addresses[i])
		}
		return plan{
			command: command{
				path: filepath.Join(dir, "jaeger"),
				args: all,
				// Else it traces itself, to whatever listens on the default port.
				env: []string{"SPAN_STORAGE_TYPE=memory", "OTEL_TRACES_SAMPLER=always_off"},
			},
			url:   "http://" + addresses[0],
			ready: answers("http://" + addresses[4] + "/"),
		}
	})
	return &JaegerServer{
		Server: server, OTLPHTTP: "http://" + addresses[1], OTLPGRPC: addresses[2], Thrift: "http://" + addresses[3],
	}
}

// Trace is a trace as Jaeger's query API gives it.
type Trace struct {
	TraceID string
	Spans   []Span
}

// Span is one span. Attributes, kind, status and scope are all Tags, in Jaeger's names (span.kind, otel.status_code and so on).
type Span struct {
	TraceID    string
	SpanID     string
	Operation  string
	References []Reference
	Start      int64          // Microseconds since 1970.
	Duration   int64          // Microseconds.
	Tags       map[string]any // Strings, bools, int64 and float64.
	Events     []Event
	Service    string
	Process    map[string]any // The resource's attributes, as Tags.
	Warnings   []string       // What Jaeger found wrong with it.
}

// Reference points to another span: its parent (Kind CHILD_OF) or a link (FOLLOWS_FROM).
type Reference struct {
	Kind    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

// Event is one event of a span; its name is the field "event".
type Event struct {
	Time   int64 // Microseconds since 1970.
	Fields map[string]any
}

// Traces returns the latest traces of a service, at most limit.
func (j *JaegerServer) Traces(tb testing.TB, service string, limit int) []Trace {
	tb.Helper()
	var answer struct {
		Data []wireTrace `json:"data"`
	}
	query := url.Values{"service": {service}, "limit": {strconv.Itoa(limit)}}
	ask(tb, http.MethodGet, j.URL+"/api/traces?"+query.Encode(), &answer)
	traces := make([]Trace, len(answer.Data))
	for i, wire := range answer.Data {
		trace, err := wire.decode()
		if err != nil {
			tb.Fatalf("trace %s: %v", wire.TraceID, err)
		}
		traces[i] = trace
	}
	return traces
}

// wireTrace and what it holds are the JSON of Jaeger's UI (model/json in Jaeger's source).
type wireTrace struct {
	TraceID string     `json:"traceID"`
	Spans   []wireSpan `json:"spans"`

	Processes map[string]struct {
		Service string   `json:"serviceName"`
		Tags    wireTags `json:"tags"`
	} `json:"processes"`
}

type wireSpan struct {
	TraceID    string      `json:"traceID"`
	SpanID     string      `json:"spanID"`
	Operation  string      `json:"operationName"`
	References []Reference `json:"references"`
	Start      int64       `json:"startTime"`
	Duration   int64       `json:"duration"`
	Tags       wireTags    `json:"tags"`
	ProcessID  string      `json:"processID"`
	Warnings   []string    `json:"warnings"`
	Logs       []struct {
		Time   int64    `json:"timestamp"`
		Fields wireTags `json:"fields"`
	} `json:"logs"`
}

type wireTags []struct {
	Key   string          `json:"key"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

func (w wireTrace) decode() (Trace, error) {
	trace := Trace{TraceID: w.TraceID}
	for _, s := range w.Spans {
		span := Span{
			TraceID: s.TraceID, SpanID: s.SpanID, Operation: s.Operation, References: s.References, Start: s.Start, Duration: s.Duration,
			Service: w.Processes[s.ProcessID].Service, Warnings: s.Warnings,
		}
		var err error
		if span.Tags, err = s.Tags.decode(); err != nil {
			return Trace{}, err
		}
		if span.Process, err = w.Processes[s.ProcessID].Tags.decode(); err != nil {
			return Trace{}, err
		}
		for _, log := range s.Logs {
			fields, err := log.Fields.decode()
			if err != nil {
				return Trace{}, err
			}
			span.Events = append(span.Events, Event{Time: log.Time, Fields: fields})
		}
		trace.Spans = append(trace.Spans, span)
	}
	return trace, nil
}

func (w wireTags) decode() (map[string]any, error) {
	tags := make(map[string]any, len(w))
	for _, tag := range w {
		var err error
		if tag.Type == "int64" {
			var number int64
			err = json.Unmarshal(bytes.Trim(tag.Value, `"`), &number) // A string where JavaScript can't hold it.
			tags[tag.Key] = number
		} else {
			var value any
			err = json.Unmarshal(tag.Value, &value)
			tags[tag.Key] = value
		}
		if err != nil {
			return nil, fmt.Errorf("tag %s: %w", tag.Key, err)
		}
	}
	return tags, nil
}
