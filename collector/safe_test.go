// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

type text string

func (t text) String() string { return string(t) }

type object struct{ value any }

func (o object) MarshalLogObject(to zapcore.ObjectEncoder) error {
	return to.AddReflected("value", o.value)
}

// TestSafeCore writes a secret through each kind of field that zap has.
func TestSafeCore(t *testing.T) {
	const url = "http://us:CANARY/7@host:1/x?sig=CANARY\x1b\u202e"
	err := fmt.Errorf("get: %w", errors.New(url))
	for name, field := range map[string]zap.Field{
		"string":     zap.String("k", url),
		"strings":    zap.Strings("k", []string{url}),
		"bytes":      zap.ByteString("k", []byte(url)),
		"error":      zap.Error(err),
		"errors":     zap.Errors("k", []error{err}),
		"stringer":   zap.Stringer("k", text(url)),
		"stringers":  zap.Stringers("k", []text{url}),
		"reflected":  zap.Reflect("k", struct{ A []any }{[]any{url, map[string]string{"b": url}}}),
		"object":     zap.Object("k", object{url}),
		"inline":     zap.Inline(object{[]string{url}}),
		"dictionary": zap.Dict("k", zap.Error(err), zap.String("x", url)),
		"any":        zap.Any("k", map[string]any{"x": err}),
		"binary":     zap.Int("k", 1),
	} {
		for _, encoder := range []zapcore.Encoder{
			zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
		} {
			var out bytes.Buffer
			core := zapcore.NewCore(encoder, zapcore.AddSync(&out), zapcore.DebugLevel)
			log := zap.New(core, zap.WrapCore(newSafeCore))
			log.With(field).Named("x").Error("asking "+url, field)
			got := out.String()
			assert.NotContains(t, got, "CANARY", name)
			assert.NotContains(t, got, "\x1b", name)
			assert.NotContains(t, got, "\u202e", name)
			assert.Contains(t, got, "asking", name)
			assert.Equal(t, 1, strings.Count(got, "\n"), name)
		}
	}
}

func TestSafeWriter(t *testing.T) {
	var out bytes.Buffer
	n, err := fmt.Fprintf(safeWriter{&out}, "modtap: %s\n\tsecond\n", "x http://us:pw@host/ \x9b2J")
	require.NoError(t, err)
	assert.Positive(t, n)
	assert.Equal(t, "modtap: x http://host/ \\x9b2J\n\tsecond\n", out.String())
}

func TestUserinfoTaker(t *testing.T) {
	const basic = "Basic dXM6cC93" // us:p/w
	for _, tt := range []struct {
		name string
		in   map[string]any
		want map[string]any
		err  string
	}{
		{
			"OTLP over HTTP",
			map[string]any{"otlp_http/a": map[string]any{"endpoint": "http://us:p%2Fw@host:4318/x"}},
			map[string]any{"otlp_http/a": map[string]any{"endpoint": "http://host:4318/x", "headers": map[string]any{"Authorization": basic}}},
			"",
		},
		{
			"OTLP over gRPC, headers as a list",
			map[string]any{"otlp": map[string]any{"endpoint": "us:p%2Fw@host:4317", "headers": []any{map[string]any{"name": "X", "value": "y"}}}},
			map[string]any{"otlp": map[string]any{"endpoint": "host:4317", "headers": []any{
				map[string]any{"name": "X", "value": "y"}, map[string]any{"name": "Authorization", "value": basic},
			}}},
			"",
		},
		{
			"a token, of two signals",
			map[string]any{"otlphttp": map[string]any{"traces_endpoint": "https://t@h/a", "logs_endpoint": "https://t@h/b"}},
			map[string]any{"otlphttp": map[string]any{
				"traces_endpoint": "https://h/a", "logs_endpoint": "https://h/b", "headers": map[string]any{"Authorization": "Basic dDo="},
			}},
			"",
		},
		{
			"none",
			map[string]any{"otlp_grpc": map[string]any{"endpoint": "dns:///h:1"}, "elastic": map[string]any{"endpoints": []any{"http://u:p@h"}}},
			map[string]any{"otlp_grpc": map[string]any{"endpoint": "dns:///h:1"}, "elastic": map[string]any{"endpoints": []any{"http://u:p@h"}}},
			"",
		},
		{
			"a slash in the password",
			map[string]any{"otlp_http": map[string]any{"endpoint": "http://us:CANARY/x@host"}},
			nil,
			`exporters::otlp_http::endpoint: "(URL)" can't be read; write special characters of user and password as %XX`,
		},
		{
			"two users",
			map[string]any{"otlp_http": map[string]any{"traces_endpoint": "https://t@h/a", "logs_endpoint": "https://CANARY@h/b"}},
			nil,
			"exporters::otlp_http::traces_endpoint: a user besides another authorization; leave one of them out",
		},
		{
			"a header too",
			map[string]any{"otlp_http": map[string]any{"endpoint": "https://CANARY@h/b", "headers": map[string]any{"authorization": "x"}}},
			nil,
			"exporters::otlp_http::endpoint: a user besides another authorization; leave one of them out",
		},
		{
			"an authenticator too",
			map[string]any{"otlp_http": map[string]any{"endpoint": "https://CANARY@h/b", "auth": map[string]any{"authenticator": "x"}}},
			nil,
			"exporters::otlp_http::endpoint: a user besides another authorization; leave one of them out",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf := confmap.NewFromStringMap(map[string]any{"exporters": tt.in})
			err := userinfoTaker{}.Convert(t.Context(), conf)
			if tt.err != "" {
				require.EqualError(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, map[string]any{"exporters": tt.want}, conf.ToStringMap())
		})
	}
}
