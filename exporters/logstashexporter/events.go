// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"encoding/json"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/document"
)

// events makes the documents of logs into Logstash's events. All of them are []byte;
// go-lumber wants them as any.
func events(encoder *document.Encoder, logs plog.Logs) []any {
	made := make([]any, 0, logs.LogRecordCount())
	var text []byte
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			encoder.Within(inResource.Resource(), inScope.Scope())
			for _, record := range inScope.LogRecords().All() {
				begin := len(text)
				text = withID(encoder.AppendJSON(text, record), document.ID(record))
				made = append(made, text[begin:len(text):len(text)])
			}
		}
	}
	return made
}

// withID adds the document's id where Beats put theirs: @metadata isn't part of
// what Logstash stores. It comes last, since of two members of one name Logstash
// takes the later one.
func withID(document []byte, id string) []byte {
	if id == "" {
		return document
	}
	quoted, err := json.Marshal(id)
	if err != nil { // A string always can be.
		return document
	}
	document = append(document[:len(document)-1], `,"@metadata":{"_id":`...)
	document = append(document, quoted...)
	return append(document, "}}"...)
}

// encoded is go-lumber's encoder for events.
func encoded(event any) ([]byte, error) { return event.([]byte), nil }

// without copies logs but for the first n records.
func without(logs plog.Logs, n int) plog.Logs {
	rest := plog.NewLogs()
	logs.CopyTo(rest)
	position := 0
	rest.ResourceLogs().RemoveIf(func(inResource plog.ResourceLogs) bool {
		inResource.ScopeLogs().RemoveIf(func(inScope plog.ScopeLogs) bool {
			inScope.LogRecords().RemoveIf(func(plog.LogRecord) bool {
				position++
				return position <= n
			})
			return inScope.LogRecords().Len() == 0
		})
		return inResource.ScopeLogs().Len() == 0
	})
	return rest
}
