// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"encoding/json"
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/modtap/modtap/internal/printable"
	"github.com/modtap/modtap/internal/redact"
)

// A safeWriter is the door to standard error: what the command prints passes it
// without secrets, and as text that no terminal plays. Each call of Write must be
// a whole text.
type safeWriter struct{ io.Writer }

// Write reports all of p as written unless there is an error.
func (w safeWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, printable.Text(redact.Text(string(p)))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A safeCore is the same door for the log of the collector and all its components,
// upstream's among them, whose errors quote URLs as they were configured.
type safeCore struct{ zapcore.Core }

func newSafeCore(core zapcore.Core) zapcore.Core { return safeCore{core} }

func (c safeCore) With(fields []zapcore.Field) zapcore.Core {
	return safeCore{c.Core.With(safeFields(fields))}
}

func (c safeCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c safeCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	entry.Message = redact.Line(entry.Message)
	entry.Stack = printable.Text(redact.Text(entry.Stack))
	return c.Core.Write(entry, safeFields(fields))
}

func safeFields(fields []zapcore.Field) []zapcore.Field {
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		out[i] = safeField(f)
	}
	return out
}

// safeField returns f with its texts made safe. What isn't a scalar is encoded
// first: an error deep within may quote a URL too.
func safeField(f zapcore.Field) zapcore.Field {
	switch f.Type {
	case zapcore.StringType:
		f.String = redact.Line(f.String)
		return f
	case zapcore.ErrorType:
		return zap.String(f.Key, redact.Line(f.Interface.(error).Error()))
	case zapcore.StringerType, zapcore.ByteStringType, zapcore.ReflectType, zapcore.ArrayMarshalerType,
		zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType:
		encoder := zapcore.NewMapObjectEncoder()
		f.AddTo(encoder)
		if f.Type == zapcore.InlineMarshalerType {
			return zap.Inline(safeObject(encoder.Fields))
		}
		return zap.Any(f.Key, safeValue(encoder.Fields[f.Key]))
	default: // Numbers, times, namespaces: no text.
		return f
	}
}

// safeObject is a map of values as zap's fields.
type safeObject map[string]any

func (o safeObject) MarshalLogObject(to zapcore.ObjectEncoder) error {
	for name, value := range o {
		zap.Any(name, safeValue(value)).AddTo(to)
	}
	return nil
}

func safeValue(value any) any {
	switch v := value.(type) {
	case string:
		return redact.Line(v)
	case []byte:
		return redact.Line(string(v))
	case error:
		return redact.Line(v.Error())
	case fmt.Stringer:
		return redact.Line(v.String())
	case map[string]any:
		for name, inner := range v {
			v[name] = safeValue(inner)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = safeValue(inner)
		}
		return v
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return v
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return redact.Line(fmt.Sprint(v))
		}
		var plain any
		if json.Unmarshal(text, &plain) != nil {
			return redact.Line(string(text))
		}
		return safeValue(plain)
	}
}
