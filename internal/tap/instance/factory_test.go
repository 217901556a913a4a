// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func (s *settings) Validate() error { return s.Check() }

// capturer is the part of a test's receiver that captures.
type capturer struct {
	open     Open
	fault    error // with which Start ends once the instance is open
	instance *Instance
	starts   int
	stops    int
}

func (c *capturer) Start(context.Context, component.Host) (err error) {
	c.starts++
	if c.instance, err = c.open(Settings{}); err != nil || c.fault != nil {
		return errors.Join(err, c.fault)
	}
	c.instance.Start()
	return nil
}

func (c *capturer) Shutdown(context.Context) error {
	c.stops++
	return nil
}

// newTestFactory is of receivers that capture by c.
func newTestFactory(c *capturer, name string) receiver.Factory {
	return NewFactory(component.MustNewType(name), func() *settings { return &settings{Config: NewDefaultConfig(name)} },
		func(_ receiver.Settings, _ *settings, open Open) component.Component {
			c.open = open
			return c
		}, component.StabilityLevelDevelopment)
}

// create makes a component of one signal whose observed proxy has the name.
func create(t *testing.T, c *capturer, of, id, name string) component.Component {
	t.Helper()
	f := newTestFactory(c, of)
	cfg := f.CreateDefaultConfig().(*settings)
	cfg.ServiceName, cfg.DataDir = name, t.TempDir()
	set := receivertest.NewNopSettings(f.Type())
	set.ID = component.MustNewIDWithName(of, id)
	made, err := f.CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	return made
}

func TestThreeSignalsAreOneInstance(t *testing.T) {
	c := new(capturer)
	f := newTestFactory(c, "a")
	cfg := f.CreateDefaultConfig().(*settings)
	cfg.DataDir = t.TempDir()
	set := receivertest.NewNopSettings(f.Type())
	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	ofTraces, err := f.CreateTraces(t.Context(), set, cfg, traces)
	require.NoError(t, err)
	ofMetrics, err := f.CreateMetrics(t.Context(), set, cfg, metrics)
	require.NoError(t, err)
	ofLogs, err := f.CreateLogs(t.Context(), set, cfg, logs)
	require.NoError(t, err)
	host := componenttest.NewNopHost()
	require.NoError(t, ofTraces.Start(t.Context(), host))
	require.NoError(t, ofMetrics.Start(t.Context(), host))
	assert.Zero(t, c.starts, "not before the last signal was started")
	require.NoError(t, ofLogs.Start(t.Context(), host))
	require.Equal(t, 1, c.starts)

	const path = "/example.com/a/@v/v1.0.0.zip"
	begin := exchange.Begin{Method: "GET", Path: path, Request: goproxy.Parse(path)}
	c.instance.Begin(&begin)
	c.instance.End(&begin, &exchange.End{Status: 200})
	for _, one := range []component.Component{ofLogs, ofMetrics, ofTraces} {
		require.NoError(t, one.Shutdown(context.Background()))
		assert.Equal(t, 1, c.stops)
	}
	assert.Equal(t, 1, logs.LogRecordCount())
	assert.Equal(t, 1, traces.SpanCount())
	assert.NotZero(t, metrics.DataPointCount())
}

func TestShutdownBeforeStart(t *testing.T) {
	c := new(capturer)
	one := create(t, c, "a", "", "proxy")
	require.NoError(t, one.Shutdown(t.Context()))
	require.NoError(t, one.Shutdown(t.Context()))
	assert.Zero(t, c.stops, "nothing was started")
}

// TestEachProxyHasItsName: two components never run under one service.name, whichever
// receivers they are, until one has stopped or couldn't start.
func TestEachProxyHasItsName(t *testing.T) {
	host := componenttest.NewNopHost()
	one := create(t, new(capturer), "a", "one", "athens")
	require.NoError(t, one.Start(t.Context(), host))
	two := create(t, new(capturer), "b", "two", "athens")
	require.EqualError(t, two.Start(t.Context(), host),
		`service_name: "athens" is a/one's too: their telemetry couldn't be told apart; give each proxy a name of its own`)
	require.NoError(t, two.Shutdown(context.Background()))
	other := create(t, new(capturer), "b", "other", "goproxy")
	require.NoError(t, other.Start(t.Context(), host), "another name")
	require.NoError(t, other.Shutdown(context.Background()))

	again := create(t, new(capturer), "b", "again", "athens")
	require.Error(t, again.Start(t.Context(), host), "who is refused frees nobody's name")
	require.NoError(t, one.Shutdown(context.Background()))
	broken := create(t, &capturer{fault: errors.New("port taken")}, "b", "broken", "athens")
	require.EqualError(t, broken.Start(t.Context(), host), "port taken")
	last := create(t, new(capturer), "a", "last", "athens")
	require.NoError(t, last.Start(t.Context(), host), "the name is free again")
	require.NoError(t, last.Shutdown(context.Background()))
}

func TestStartWithoutFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file") // modes don't stop root
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cfg := &settings{Config: NewDefaultConfig("a")}
	cfg.DataDir = file
	c := new(capturer)
	f := newTestFactory(c, "a")
	set := receivertest.NewNopSettings(f.Type())
	one, err := f.CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, one.Start(t.Context(), componenttest.NewNopHost()), "data_dir: "+file+" can't be written (")
	require.NoError(t, one.Shutdown(t.Context()))
	require.ErrorContains(t, cfg.CheckStart(t.Context(), set.ID), "data_dir: "+file+" can't be written (")
}
