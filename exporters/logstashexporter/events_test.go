// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/document"
)

// records is two resources, the first with all of the records but one. A record
// has the given event.id, none if it is empty.
func records(eventIDs ...string) plog.Logs {
	logs := plog.NewLogs()
	split := max(1, len(eventIDs)-1)
	for i, part := range [][]string{eventIDs[:split], eventIDs[split:]} {
		inResource := logs.ResourceLogs().AppendEmpty()
		inResource.Resource().Attributes().PutStr("service.name", "proxy-"+string(rune('0'+i)))
		inScope := inResource.ScopeLogs().AppendEmpty()
		for _, id := range part {
			record := inScope.LogRecords().AppendEmpty()
			record.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, time.November, 22, 9, 11, 12, 13_000_000, time.UTC)))
			if id != "" {
				record.Attributes().PutStr("event.id", id)
			}
		}
	}
	return logs
}

func TestEvents(t *testing.T) {
	logs := records("01a203752ddf75ac5a9a-0000000001", `say "id"`, "")
	first := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	first.SetTraceID(pcommon.TraceID{0x0a, 15: 0xff})
	first.Body().SetStr("GET /rsc.io/quote/@v/v1.5.2.zip 200")
	var got strings.Builder
	for _, event := range events(new(document.Encoder), logs) {
		text, err := encoded(event)
		require.NoError(t, err)
		got.Write(text)
		got.WriteByte('\n')
	}
	want, err := os.ReadFile("testdata/events.json")
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String())
}

func TestAnAttributeCannotTakeThePlaceOfTheID(t *testing.T) {
	logs := records("7")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("@metadata._id", "8")
	var event map[string]map[string]any
	text, err := encoded(events(new(document.Encoder), logs)[0])
	require.NoError(t, err)
	text = []byte(strings.Replace(string(text), `"@timestamp":"2026-11-22T09:11:12.013000000Z",`, "", 1))
	require.NoError(t, json.Unmarshal(text, &event), "%s", text)
	assert.Equal(t, map[string]any{"_id": "7"}, event["@metadata"])
}

func TestWithout(t *testing.T) {
	logs := records("1", "2", "3")
	for n, want := range [][]string{{"1", "2", "3"}, {"2", "3"}, {"3"}, nil} {
		assert.Equal(t, want, idsOf(without(logs, n)), n)
	}
	assert.Equal(t, records("1", "2", "3"), logs, "the batch isn't changed")
	name, _ := without(logs, 2).ResourceLogs().At(0).Resource().Attributes().Get("service.name")
	assert.Equal(t, "proxy-1", name.Str())
}

func idsOf(logs plog.Logs) []string {
	var ids []string
	for _, inResource := range logs.ResourceLogs().All() {
		for _, inScope := range inResource.ScopeLogs().All() {
			for _, record := range inScope.LogRecords().All() {
				ids = append(ids, document.ID(record))
			}
		}
	}
	return ids
}
