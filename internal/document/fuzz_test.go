// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// FuzzAppendJSON compares the document with one that is built the plain way, as
// a tree of maps.
func FuzzAppendJSON(f *testing.F) {
	f.Add("a", "a.b", "a.value", "x", int64(1), 1.5)
	f.Add("", "..", ".a", "\xff", int64(math.MinInt64), math.NaN())
	f.Add("trace", "trace.id", "trace.id.x", "\u2028\"\\", int64(0), math.Inf(1))
	f.Add("a.b", "a-b", "a", "é", int64(-1), 3.0)
	f.Add("client.address", "event.duration", "url.path", "::1", int64(5), 1.0)
	f.Add("client.address", "event.end", "client.ip", "fe80::1%eth0", int64(5), 1.0)
	f.Add("a\xff", "a\xfe", "a.value_", "\n", int64(1), 1e-300)
	f.Add(strings.Repeat("a.", 40), "message.x", "log", "", int64(1), math.MaxFloat64)
	f.Fuzz(func(t *testing.T, name1, name2, name3, text string, number int64, double float64) {
		resource, record := pcommon.NewResource(), plog.NewLogRecord()
		record.SetTimestamp(1)
		record.SetTraceID(pcommon.TraceID{15: 1})
		record.Body().SetStr(text)
		record.Attributes().PutStr(name1, text)
		record.Attributes().PutInt(name2, number)
		record.Attributes().PutEmptySlice(name3).AppendEmpty().SetEmptyMap().PutDouble(text, double)
		resource.Attributes().PutBool(name1, true)
		resource.Attributes().PutBool(text, true)

		got := encode(resource, record)
		require.True(t, json.Valid(got), "%s", got)
		require.NotContains(t, string(got), "\n")
		require.Equal(t, string(got), strings.ToValidUTF8(string(got), ""))
		require.Equal(t, string(got), string(encode(resource, record)), "the bytes must repeat")

		decoder := json.NewDecoder(bytes.NewReader(got))
		decoder.UseNumber()
		var decoded map[string]any
		require.NoError(t, decoder.Decode(&decoded))
		require.Equal(t, plainDocument(t, resource, record), decoded)
	})
}

// plainDocument is the rules of the package comment, told a second time without
// a care for speed.
func plainDocument(t *testing.T, resource pcommon.Resource, record plog.LogRecord) map[string]any {
	t.Helper()
	trace := record.TraceID()
	flat := map[string]any{
		nameTimestamp: Time(record).Format(timeFormat),
		nameTraceID:   trace.String(),
		nameMessage:   string([]rune(record.Body().Str())),
	}
	for _, attributes := range []pcommon.Map{record.Attributes(), resource.Attributes()} {
		for name, value := range attributes.All() {
			name = plainName(name)
			if _, taken := flat[name]; !taken {
				flat[name] = plainValue(t, value)
			}
		}
	}

	for _, attributes := range []pcommon.Map{record.Attributes(), resource.Attributes()} {
		for name, value := range attributes.All() {
			ecs := ecsName(name)
			if _, taken := flat[ecs]; ecs != "" && !taken && fits(ecs, value) {
				flat[ecs] = plainValue(t, value)
			}
		}
	}
	if duration, ok := record.Attributes().Get(attrDuration); ok && duration.Type() == pcommon.ValueTypeInt {
		for name, at := range map[string]time.Time{nameStart: Time(record), nameEnd: Time(record).Add(time.Duration(duration.Int()))} {
			if _, taken := flat[name]; !taken {
				flat[name] = at.Format(timeFormat)
			}
		}
	}

	names := slices.Collect(maps.Keys(flat))
	final := make(map[string]any, len(flat))
	for _, name := range names {
		used := func(candidate string) bool {
			return slices.ContainsFunc(names, func(other string) bool {
				return other == candidate || strings.HasPrefix(other, candidate+".")
			})
		}
		target := name
		if slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+".") }) {
			for target = name + ".value"; used(target); {
				target += "_"
			}
		}
		final[target] = flat[name]
	}

	tree := map[string]any{}
	for name, value := range final {
		node := tree
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			if node[part] == nil {
				node[part] = map[string]any{}
			}
			node = node[part].(map[string]any)
		}
		node[parts[len(parts)-1]] = value
	}
	return tree
}

func plainName(name string) string {
	parts := strings.Split(string([]rune(name)), ".")
	if len(parts) > maxParts {
		parts = append(parts[:maxParts-1:maxParts-1], strings.Join(parts[maxParts-1:], "_"))
	}
	for i := range parts {
		if strings.TrimSpace(parts[i]) == "" {
			parts[i] = "_"
		}
	}
	name = strings.Join(parts, ".")
	for _, own := range []string{nameTimestamp, nameTraceID, nameSpanID, nameMessage, nameLevel} {
		if rest, ok := strings.CutPrefix(name, own+"."); ok {
			return own + "_" + rest
		}
	}
	return name
}

func plainValue(t *testing.T, value pcommon.Value) any {
	t.Helper()
	raw := value.AsRaw()
	switch value.Type() {
	case pcommon.ValueTypeStr:
		return string([]rune(value.Str()))
	case pcommon.ValueTypeSlice:
		for key, double := range raw.([]any)[0].(map[string]any) {
			f := double.(float64)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return []any{map[string]any{string([]rune(key)): nil}}
			}
			return []any{map[string]any{string([]rune(key)): json.Number(appendFloat(nil, f))}}
		}
	case pcommon.ValueTypeInt:
		text, err := json.Marshal(raw)
		require.NoError(t, err)
		return json.Number(text)
	}
	return raw
}

// FuzzAppendString checks strings against encoding/json.
func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\"\\/\u2028\xff\xc3\x28\uFFFD")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		require.NoError(t, json.Unmarshal(appendString(nil, s), &got))
		require.Equal(t, string([]rune(s)), got)
	})
}
