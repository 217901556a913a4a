// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/modtap/modtap/test/bench"
)

func TestRole(t *testing.T) {
	for _, args := range [][]string{nil, {"nothing"}, {"origin", "x"}, {"reverseproxy"}, {"sink", "x"}} {
		_, err := role(args)
		require.ErrorContains(t, err, "usage: peer", "%q", args)
	}
	_, err := role([]string{"reverseproxy", "http://%zz"})
	assert.Error(t, err)
}

// listen runs a role on a free port until the test ends, and returns its URL.
func listen(t *testing.T, args ...string) string {
	t.Helper()
	serve, err := role(args)
	require.NoError(t, err)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		assert.ErrorIs(t, <-done, net.ErrClosed)
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (int, []byte, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, body, response.Header
}

func TestOriginAndReverseProxy(t *testing.T) {
	origin := listen(t, "origin")
	proxy := listen(t, "reverseproxy", origin)
	for name, base := range map[string]string{"origin": origin, "reverse proxy": proxy} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{"info", "mod", "zip"} {
				path, content, err := bench.Small.File(kind)
				require.NoError(t, err)
				status, body, header := get(t, base+path)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, content, body)
				assert.NotEmpty(t, header.Get("Etag"))
			}
			status, body, _ := get(t, base+"/github.com/pkg/errors/@v/v9.9.9.info")
			assert.Equal(t, http.StatusNotFound, status)
			assert.Equal(t, "not found\n", string(body))
		})
	}
}

// spans returns an OTLP message with two server spans and one of another kind.
func spans(t *testing.T) []byte {
	t.Helper()
	traces := ptrace.NewTraces()
	scope := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	for _, kind := range []ptrace.SpanKind{ptrace.SpanKindServer, ptrace.SpanKindClient, ptrace.SpanKindServer} {
		scope.Spans().AppendEmpty().SetKind(kind)
	}
	message, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	require.NoError(t, err)
	return message
}

func TestSink(t *testing.T) {
	message := spans(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(message)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	const overHTTP, overGRPC = "/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	for _, tt := range []struct {
		name, path, encoding string
		body                 []byte
		status               int
		grpcStatus           string
		count                string
	}{
		{"HTTP", overHTTP, "", message, http.StatusOK, "", "2"},
		{"HTTP with gzip", overHTTP, "gzip", zipped.Bytes(), http.StatusOK, "", "2"},
		{"HTTP without gzip that it names", overHTTP, "gzip", message, http.StatusBadRequest, "", "0"},
		{"HTTP with nonsense", overHTTP, "", []byte("nonsense"), http.StatusBadRequest, "", "0"},
		{"gRPC", overGRPC, "", framed, http.StatusOK, "0", "2"},
		{"gRPC cut short", overGRPC, "", framed[:10], http.StatusOK, "3", "0"},
		{"gRPC with nonsense", overGRPC, "", []byte("\x00\x00\x00\x00\x08nonsense"), http.StatusOK, "3", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler := newSinkServer(new(sink)).Handler
			r := httptest.NewRequest(http.MethodPost, tt.path, bytes.NewReader(tt.body))
			r.Header.Set("Content-Encoding", tt.encoding)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.grpcStatus, w.Result().Trailer.Get("Grpc-Status"))

			w = httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/spans", nil))
			assert.Equal(t, tt.count, strings.TrimSpace(w.Body.String()))
		})
	}
}
