// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/test/backends"
)

// aroundMidnight is how many exchanges the night's run had, 10 ms apart.
const aroundMidnight = 200

// midnight is a run that was killed shortly after last midnight: its journal is
// all that is left of it. A clock can't be turned for one process only, but what
// a replay tells comes from the journal, so a journal of last night is last night.
type midnight struct {
	began   time.Time
	records []record
}

// data makes the data directory that the run left.
func (m *midnight) data(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	j, err := journal.Open(filepath.Join(dir, "goproxy", "journal"), 16<<20, zaptest.NewLogger(t))
	require.NoError(t, err)
	m.began = time.Now().UTC().Truncate(24 * time.Hour).Add(-aroundMidnight / 2 * 10 * time.Millisecond)
	at := func(d time.Duration) exchange.Time { return exchange.Time(m.began.Add(d).UnixNano()) }
	j.Append(exchange.AppendStart(nil, exchange.Start{Time: at(0), Run: fmt.Sprintf("%012x%08x", m.began.UnixMilli(), 0)}))
	for i := range aroundMidnight {
		b := exchange.Begin{
			ID: uint64(i + 1), Time: at(time.Duration(i) * 10 * time.Millisecond), Method: "GET", Scheme: "http", Protocol: "1.1",
			Path: "/example.com/night/@v/v1.0.0.mod", ServerAddress: "127.0.0.1", ServerPort: 8081, Client: exchange.Client{Address: "127.0.0.1"},
		}
		_, _ = rand.Read(b.Span.TraceID[:]) // it never fails, its documentation says
		_, _ = rand.Read(b.Span.SpanID[:])
		_, _ = rand.Read(b.Span.ParentID[:])
		b.Span.Flags, b.Session.ID = 1, b.Span.TraceID
		j.Append(exchange.AppendBegin(nil, &b))
		j.Append(exchange.AppendEnd(nil, &exchange.End{ID: b.ID, Time: b.Time.Add(time.Millisecond), FirstByte: b.Time.Add(time.Millisecond), Status: 200, BodySize: 10}))
		m.records = append(m.records, record{trace: hex.EncodeToString(b.Span.TraceID[:]), path: b.Path, began: b.Time.Time(), ended: b.Time.Time()})
	}
	require.NoError(t, j.Close())
	return dir
}

// replayed kills Modtap amid the telling of that night, and sees to it that each
// document is in the index of its day.
func (m *midnight) replayed(r *run) {
	r.load.target.mu.Lock()
	r.load.target.records = append(r.load.target.records, m.records...)
	r.load.target.mu.Unlock()
	time.Sleep(200 * time.Millisecond)
	at := time.Now()
	r.modtap.kill()
	r.restart(at)
	require.Eventually(r.t, func() bool {
		r.spans = spans(r.t, r.jaeger, r.name, m.began.Add(-time.Second), m.began.Add(10*time.Second))
		return len(r.spans) == aroundMidnight
	}, 2*time.Minute, time.Second, "the night's spans")
	var hits []backends.Hit
	require.Eventually(r.t, func() bool {
		hits = r.es.Search(r.t, indices, fmt.Sprintf(`{"size":10000,"query":{"bool":{"filter":[{"term":{"service.name":%q}},{"prefix":{"url.path":"/example.com/night/"}}]}}}`, r.name))
		return len(hits) >= aroundMidnight
	}, 2*time.Minute, time.Second, "the night's documents")
	days := map[string]int{}
	for _, hit := range hits {
		var d struct {
			Timestamp time.Time `json:"@timestamp"`
		}
		require.NoError(r.t, json.Unmarshal(hit.Source, &d))
		assert.Equal(r.t, "modtap-requests-"+d.Timestamp.UTC().Format("2006.01.02"), hit.Index)
		days[hit.Index]++
	}
	assert.Len(r.t, days, 2, "the day before midnight, and the one after")
	r.t.Logf("the night's documents by index: %v", days)
}
