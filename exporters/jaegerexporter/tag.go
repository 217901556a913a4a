// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// newTag keeps the type of a value where Jaeger has it; slices and maps become
// JSON, and an empty value an empty string.
func newTag(key string, value pcommon.Value) *jaeger.Tag {
	switch value.Type() {
	case pcommon.ValueTypeBool:
		return boolTag(key, value.Bool())
	case pcommon.ValueTypeInt:
		return longTag(key, value.Int())
	case pcommon.ValueTypeDouble:
		number := value.Double()
		return &jaeger.Tag{Key: key, VType: jaeger.TagType_DOUBLE, VDouble: &number}
	case pcommon.ValueTypeBytes:
		raw := value.Bytes().AsRaw()
		if raw == nil {
			raw = []byte{} // A nil field isn't written at all.
		}
		return &jaeger.Tag{Key: key, VType: jaeger.TagType_BINARY, VBinary: raw}
	default:
		return textTag(key, value.AsString())
	}
}

func textTag(key, text string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &text}
}

func boolTag(key string, value bool) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_BOOL, VBool: &value}
}

func longTag(key string, number int64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &number}
}

func appendAttributes(tags []*jaeger.Tag, attributes pcommon.Map) []*jaeger.Tag {
	for key, value := range attributes.All() {
		tags = append(tags, newTag(key, value))
	}
	return tags
}

// appendText leaves out an empty text.
func appendText(tags []*jaeger.Tag, key, text string) []*jaeger.Tag {
	if text == "" {
		return tags
	}
	return append(tags, textTag(key, text))
}

// appendCount leaves out a count of zero.
func appendCount(tags []*jaeger.Tag, key string, count uint32) []*jaeger.Tag {
	if count == 0 {
		return tags
	}
	return append(tags, longTag(key, int64(count)))
}
