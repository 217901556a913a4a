// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"encoding/json"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/document"
)

// dayFormat is how Elasticsearch's own tools name daily indices.
const dayFormat = "2006.01.02"

// batch is the body of a bulk request and where in it each document stands. A
// part of a batch is a part of its text, so that sending half of it copies
// nothing.
type batch struct {
	text string
	at   []place
}

// place is where the lines of one document begin. The document's line ends where
// the next document's action begins.
type place struct {
	action, document int
}

func (b *batch) len() int { return len(b.at) }

// part is the body for the documents from and up to, not including, to.
func (b *batch) part(from, to int) string {
	return b.text[b.at[from].action:b.end(to-1)]
}

// lines are the action and the document at position i.
func (b *batch) lines(i int) (action, document string) {
	at := b.at[i]
	return b.text[at.action : at.document-1], b.text[at.document : b.end(i)-1]
}

// size is that of the request for the document at position i alone, in bytes.
func (b *batch) size(i int) int { return b.end(i) - b.at[i].action }

func (b *batch) end(i int) int {
	if i+1 < len(b.at) {
		return b.at[i+1].action
	}
	return len(b.text)
}

// action is the first line of a document in a bulk request. Only create makes a
// second document with the same id an error, 409.
type action struct {
	Create struct {
		Index string `json:"_index"`
		ID    string `json:"_id,omitempty"`
	} `json:"create"`
}

// batcher builds batches. It may be used by several goroutines.
type batcher struct {
	index string
	daily bool // The day of the document is appended to index.
	pool  sync.Pool
}

func newBatcher(index string, daily bool) *batcher {
	return &batcher{index: index, daily: daily, pool: sync.Pool{New: func() any { return new(writer) }}}
}

// writer keeps memory from one batch to the next.
type writer struct {
	encoder document.Encoder
	text    []byte
	at      []place
}

func (b *batcher) logs(logs plog.Logs) *batch {
	w := b.pool.Get().(*writer)
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			w.encoder.Within(inResource.Resource(), inScope.Scope())
			for _, record := range inScope.LogRecords().All() {
				b.add(w, record)
			}
		}
	}
	return b.finish(w)
}

func (b *batcher) spans(traces ptrace.Traces) *batch {
	w := b.pool.Get().(*writer)
	for _, inResource := range traces.ResourceSpans().All() {
		for _, inScope := range inResource.ScopeSpans().All() {
			w.encoder.Within(inResource.Resource(), inScope.Scope())
			for _, span := range inScope.Spans().All() {
				b.add(w, spanRecord(span))
			}
		}
	}
	return b.finish(w)
}

func (b *batcher) add(w *writer, record plog.LogRecord) {
	at := place{action: len(w.text)}
	w.text = b.appendAction(w.text, document.Time(record), document.ID(record))
	at.document = len(w.text)
	w.text = append(w.encoder.AppendJSON(w.text, record), '\n')
	w.at = append(w.at, at)
}

func (b *batcher) finish(w *writer) *batch {
	made := &batch{text: string(w.text), at: append([]place(nil), w.at...)}
	w.text, w.at = w.text[:0], w.at[:0]
	b.pool.Put(w)
	return made
}

// appendAction writes what encoding/json would write of an [action].
func (b *batcher) appendAction(dst []byte, day time.Time, id string) []byte {
	dst = append(dst, `{"create":{"_index":"`...)
	dst = append(dst, b.index...) // Has nothing to be escaped: see validateIndex.
	if b.daily {
		dst = append(dst, '-')
		dst = day.AppendFormat(dst, dayFormat)
	}
	dst = append(dst, '"')
	if id != "" {
		dst = append(dst, `,"_id":`...)
		dst = appendID(dst, id)
	}
	return append(dst, "}}\n"...)
}

func appendID(dst []byte, id string) []byte {
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(id)
			if err != nil { // Can't be: any string can be quoted.
				return append(dst, `""`...)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, id...)
	return append(dst, '"')
}
