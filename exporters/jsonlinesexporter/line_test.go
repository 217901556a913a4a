// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/document"
)

func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		line, instance, id string
	}{
		{`{"event":{"id":"7"}}`, "", "7"},
		{`{"event":{"duration":1,"id":"7"},"service":{"instance":{"id":"a"},"name":"b"}}`, "a", "7"},
		{`{"event":{"id":"7"},"service":{"instance":{"id":"a"}},"x":[{"event":{"id":"8"}},"]}"],"y":null,"z":-1.5e3}`, "a", "7"},
		{`{"a":{"event":{"id":"8"}},"event":{"id":"7\n\\"},"message":"\"event\":{\"id\":\"9\"}\\"}`, "", "7\n\\"},
		{`{"event":{"id":7}}`, "", ""},
		{`{"event":"x"}`, "", ""},
		{`{"event":{"id":"7"}`, "", ""},
		{`{"event":{"id":"7"}}}`, "", ""},
		{`{"event":{"id":"7`, "", ""},
		{`{ "event":{"id":"7"}}`, "", ""},
		{`[{"event":{"id":"7"}}]`, "", ""},
		{`{}`, "", ""},
		{``, "", ""},
		{`hello`, "", ""},
	} {
		instance, id, ok := identity([]byte(tt.line))
		assert.Equal(t, tt.id != "", ok, tt.line)
		assert.Equal(t, tt.instance, instance, tt.line)
		assert.Equal(t, tt.id, id, tt.line)
	}
}

// What package document writes is read back, whatever stands beside it.
func FuzzIdentityOfADocument(f *testing.F) {
	f.Add("39f62e06fd8c78fc", "01a203752ddf75ac5a9a-0000000017", "user_agent.original", `say "event":{"id":"x"}\`)
	f.Add("a\"b\\", "\n{}[]\x00", "service", "{")
	f.Fuzz(func(t *testing.T, instance, id, name, value string) {
		switch head, _, _ := strings.Cut(strings.TrimSpace(name), "."); head {
		case "event", "service":
			t.Skip("takes the place of one of the names")
		}
		record, resource := plog.NewLogRecord(), pcommon.NewResource()
		record.Body().SetStr(value)
		record.Attributes().PutStr("event.id", id)
		record.Attributes().PutStr(name, value)
		record.Attributes().PutEmptySlice("list").AppendEmpty().SetEmptyMap().PutStr(name, value)
		resource.Attributes().PutStr("service.instance.id", instance)
		var encoder document.Encoder
		encoder.Within(resource, pcommon.NewInstrumentationScope())
		line := encoder.AppendJSON(nil, record)
		gotInstance, gotID, ok := identity(line)
		require.Equal(t, id != "", ok, "%s", line)
		if ok && bytes.IndexByte(line, '\\') < 0 && !bytes.ContainsRune(line, '\uFFFD') {
			require.Equal(t, instance, gotInstance)
			require.Equal(t, id, gotID)
		}
	})
}

// Whatever bytes are in a file, what is read from them is what encoding/json
// reads.
func FuzzTail(f *testing.F) {
	f.Add([]byte("{\"event\":{\"id\":\"7\"},\"service\":{\"instance\":{\"id\":\"a\"}}}\n{\"ev"), true)
	f.Add([]byte("{\"event\":{\"id\":\"\\u0041\"}}\n\n\x00\x00{}\n"), false)
	f.Add([]byte("{\"event\":{\"id\":\"7\"},\"event\":{\"id\":\"8\",\"id\":\"9\"},\"service\":{\"instance\":{\"id\":\"a\"}},\"service\":1}\n"), false)
	f.Add([]byte(strings.Repeat("x", 40)+"\n{\"event\":{\"event\":[{\"id\":1}],\"id\":\"7\"}}\n"), false)
	f.Fuzz(func(t *testing.T, content []byte, cut bool) {
		var got []string
		require.NoError(t, eachLine(bufio.NewReaderSize(bytes.NewReader(content), 16), cut, func(line []byte) {
			got = append(got, string(line))
			instance, id, ok := identity(line)
			var parsed map[string]any
			// Package document escapes no name that is looked for, and writes UTF-8.
			if json.Unmarshal(line, &parsed) != nil || !ok || bytes.IndexByte(line, '\\') >= 0 || !utf8.Valid(line) {
				return
			}
			event, _ := parsed["event"].(map[string]any)
			require.Equal(t, event["id"], any(id), "%s", line)
			service, _ := parsed["service"].(map[string]any)
			in, _ := service["instance"].(map[string]any)
			wanted, _ := in["id"].(string)
			require.Equal(t, wanted, instance, "%s", line)
		}))
		want := strings.Split(string(content), "\n")
		want = want[:len(want)-1] // What isn't ended is no line.
		if cut && len(want) > 0 {
			want = want[1:]
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
	})
}

func TestALineThatIsTooLongIsPassedOver(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	var got []string
	require.NoError(t, eachLine(bufio.NewReader(strings.NewReader("a\n"+long+"\nb\n")), false, func(line []byte) { got = append(got, string(line)) }))
	assert.Equal(t, []string{"a", "b"}, got)
}
