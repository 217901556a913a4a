// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestFailingExporterIsToldOnceAMinute(t *testing.T) {
	quiet, lines := observer.New(zapcore.WarnLevel)
	log := zap.New(newFailingCore(quiet))
	jaeger, elastic := log.With(zap.String("id", "jaeger")), log.With(zap.String("id", "elastic"))
	jsonlines := log.With(zap.String("id", "jsonlines"))
	for range 3 {
		jsonlines.Error(rejectMessage+" Try enabling sending_queue to survive temporary failures.", zap.Error(errors.New("no space left on device")))
		jaeger.Info(retryMessage, zap.Error(errors.New("refused")))
		elastic.Info(retryMessage, zap.Error(errors.New("401")))
		elastic.Info("Started.")
	}
	jaeger.Error(dropMessage, zap.Error(fmt.Errorf("%s: refused", interrupted)), zap.Int(droppedField, 3))
	jaeger.Error(dropMessage, zap.Error(errors.New("404")), zap.Int(droppedField, 5))
	jaeger.Warn("else")
	var got []string
	for _, line := range lines.All() {
		fields := line.ContextMap()
		dropped := ""
		if n, ok := fields[droppedField]; ok {
			dropped = fmt.Sprint(" ", n)
		}
		got = append(got, fmt.Sprint(line.Level, " ", fields["id"], ": ", line.Message, dropped))
	}
	assert.Equal(t, []string{
		"warn jsonlines: " + refusedMessage, "warn jaeger: " + failingMessage, "warn elastic: " + failingMessage, "warn jaeger: " + stoppedMessage,
		"error jaeger: " + dropMessage + " 5", "warn jaeger: else",
	}, got)
}

func TestVariablesWithoutEffect(t *testing.T) {
	t.Setenv("MODTAP_UPSTREM", "x")
	t.Setenv("MODTAP_TLS_CERT", "x")
	t.Setenv("MODTAP_LOG", "/default")
	t.Setenv("MODTAP_EGRESS_LISTEN", "127.0.0.1:8082")
	t.Setenv("MODTAP_UPSTREAM", "")
	assert.Equal(t, []string{
		"MODTAP_EGRESS_LISTEN is set, but the embedded proxy doesn't go through the egress; name the proxy beside Modtap in MODTAP_UPSTREAM",
		"MODTAP_TLS_CERT is set, but modtap:tls, which reads it, isn't loaded; add --config modtap:tls",
		"MODTAP_UPSTREM is set, but Modtap knows no such variable; did you mean MODTAP_UPSTREAM?",
	}, withoutEffect([]string{"modtap:base"}, ""))
	t.Setenv("MODTAP_UPSTREAM", "http://127.0.0.1:3000")
	assert.Empty(t, withoutEffect([]string{"modtap:base", "modtap:tls", "mine.yaml"}, ""))
}
