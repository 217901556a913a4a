// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// sink takes spans over OTLP/HTTP and OTLP/gRPC and counts those of requests that were answered: GET /spans returns how many. A
// telemetry that is cheap because it is lost must not win.
type sink struct {
	spans atomic.Int64
}

// newSinkServer returns a server that speaks HTTP/1.1 and, for gRPC, HTTP/2 without TLS.
func newSinkServer(s *sink) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", s.overHTTP)
	mux.HandleFunc("POST /opentelemetry.proto.collector.trace.v1.TraceService/Export", s.overGRPC)
	mux.HandleFunc("GET /spans", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, s.spans.Load()) })
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: mux, Protocols: protocols} //nolint:gosec // a benchmark's client is no slow loris
}

func (s *sink) overHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	message, err := io.ReadAll(body)
	if err == nil {
		err = s.count(message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// overGRPC answers a unary call: each message stands behind a flag for compression and its length (gRPC over HTTP2, "Length-Prefixed-Message").
func (s *sink) overGRPC(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	framed, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
	case len(framed) < 5 || framed[0] != 0 || int(binary.BigEndian.Uint32(framed[1:])) != len(framed)-5:
		err = errors.New("not one message without compression")
	default:
		err = s.count(framed[5:])
	}
	if err != nil {
		w.Header().Set("Grpc-Status", "3") // INVALID_ARGUMENT
		w.Header().Set("Grpc-Message", err.Error())
		return
	}
	_, _ = w.Write(make([]byte, 5)) // an empty message
	w.Header().Set("Grpc-Status", "0")
}

func (s *sink) count(message []byte) error {
	request := ptraceotlp.NewExportRequest()
	if err := request.UnmarshalProto(message); err != nil {
		return err
	}
	for _, resource := range request.Traces().ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if span.Kind() == ptrace.SpanKindServer {
					s.spans.Add(1)
				}
			}
		}
	}
	return nil
}
