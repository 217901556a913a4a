// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// exchanges is a batch like the engine's: as many records, as many attributes.
func exchanges(b *testing.B) plog.Logs {
	b.Helper()
	logs := plog.NewLogs()
	inResource := logs.ResourceLogs().AppendEmpty()
	require.NoError(b, inResource.Resource().Attributes().FromRaw(map[string]any{
		"service.name": "goproxy", "service.instance.id": "39f62e06fd8c78fc", "deployment.environment.name": "ci",
	}))
	records := inResource.ScopeLogs().AppendEmpty().LogRecords()
	for i := range 512 {
		record := records.AppendEmpty()
		record.SetTimestamp(pcommon.Timestamp(1_795_000_000_000_000_000 + i))
		record.SetTraceID(pcommon.TraceID{1, 15: byte(i)})
		record.SetSpanID(pcommon.SpanID{1, 7: byte(i)})
		require.NoError(b, record.Attributes().FromRaw(map[string]any{
			"event.id": "01a203752ddf75ac5a9a-0000000000", "event.duration": int64(13592389),
			"http.request.method": "GET", "http.response.status_code": int64(200), "http.response.body.bytes": int64(17866),
			"url.path": "/github.com/pkg/errors/@v/v0.9.1.zip", "client.address": "127.0.0.1", "user_agent.original": "Go-http-client/1.1",
			"goproxy.schema": int64(2), "goproxy.side": "ingress", "goproxy.operation": "zip", "goproxy.outcome": "ok",
			"goproxy.module.path": "github.com/pkg/errors", "goproxy.module.version": "v0.9.1",
			"goproxy.cache.result": "miss", "goproxy.cache.evidence": "embedded", "goproxy.cache.miss.reason": "cold",
			"goproxy.session.id": "368a1ba9383d372ade4dbbab817c71c8", "goproxy.session.inferred": true,
			"goproxy.upstream": []any{map[string]any{"address": "proxy.example.com", "bytes": int64(17866), "duration": int64(2057068), "status": int64(200)}},
		}))
	}
	return logs
}

// number gives the records the next numbers of the run, without garbage.
func number(logs plog.Logs, next uint64) uint64 {
	records := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		next++
		text := []byte("01a203752ddf75ac5a9a-0000000000")
		hex.Encode(text[len(text)-10:], []byte{byte(next >> 32), byte(next >> 24), byte(next >> 16), byte(next >> 8), byte(next)})
		id, _ := records.At(i).Attributes().Get("event.id")
		id.SetStr(string(text))
	}
	return next
}

// BenchmarkConsumeLogs writes batches of 512 documents.
func BenchmarkConsumeLogs(b *testing.B) {
	cfg := &Config{Path: filepath.Join(b.TempDir(), "requests.jsonl"), Rotation: RotationConfig{MaxMegabytes: 100, MaxBackups: 1}}
	logs := started(b, cfg)
	batch := exchanges(b)
	next := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		next = number(batch, next)
		if err := logs.ConsumeLogs(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
