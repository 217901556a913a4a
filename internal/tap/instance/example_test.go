// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/tap"
	"github.com/modtap/modtap/internal/tap/instance"
)

// LinesConfig is the configuration of a receiver that reads a log.
type LinesConfig struct {
	instance.Config `mapstructure:",squash"`
	// Path is the file's, by which its place in the journal is found again.
	Path string `mapstructure:"path"`
}

// Validate returns all faults, each with its key.
func (c *LinesConfig) Validate() error {
	err := c.Check()
	if c.Path == "" {
		err = errors.Join(err, errors.New("path: empty: name the log"))
	}
	return err
}

// NewLinesFactory returns the factory of a receiver that reads a log of lines such as
//
//	2025-11-28T08:15:30Z 13ms 192.0.2.7 GET /github.com/pkg/errors/@v/v0.9.1.zip 200 1024
func NewLinesFactory(from io.ReadSeeker) receiver.Factory {
	return instance.NewFactory(component.MustNewType("lines"),
		func() *LinesConfig { return &LinesConfig{Config: instance.NewDefaultConfig("lines")} },
		func(_ receiver.Settings, cfg *LinesConfig, open instance.Open) component.Component {
			return &lines{path: cfg.Path, from: from, open: open}
		},
		component.StabilityLevelDevelopment)
}

// lines is what captures: it reads a log.
type lines struct {
	path string
	from io.ReadSeeker
	open instance.Open

	instance *instance.Instance
	stop     context.CancelFunc
	reading  sync.WaitGroup
}

func (l *lines) Start(context.Context, component.Host) (err error) {
	if l.instance, err = l.open(instance.Settings{Clock: tap.Watermark}); err != nil {
		return err
	}
	l.instance.Start()
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	l.reading.Go(func() {
		if err := l.read(ctx); err != nil && ctx.Err() == nil {
			l.instance.Reporter(l.path)(err)
		}
	})
	return nil
}

func (l *lines) Shutdown(context.Context) error {
	l.stop()
	l.reading.Wait()
	return nil
}

// read hands over each line, from where the journal has none of them any more.
func (l *lines) read(ctx context.Context) error {
	source, err := l.instance.Source(ctx, l.path)
	if err != nil {
		return err
	}
	mark := make([]byte, 8)
	copy(mark, source.Mark())
	at := int64(binary.BigEndian.Uint64(mark))
	if _, err := l.from.Seek(at, io.SeekStart); err != nil {
		return err
	}
	clients := l.instance.Clients(false)
	for in := bufio.NewReader(l.from); ; {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			source.Finish()
			return nil
		}
		if err != nil {
			return err
		}
		at += int64(len(line))
		binary.BigEndian.PutUint64(mark, uint64(at))
		b, e, who, err := parse(line)
		if err != nil {
			continue // it is no request, and behind it with the next one's mark
		}
		b.Client, b.ClientKey = clients.Exported(&who), clients.Key(&who)
		key := session.Key{Address: who.Address, Request: goproxy.Parse(b.Path)}
		if err := source.Exchange(ctx, key, &b, &e, mark); err != nil {
			return err
		}
	}
}

// parse reads the facts that a line has.
func parse(line string) (b exchange.Begin, e exchange.End, who instance.Client, err error) {
	var at, took, address string
	if _, err = fmt.Sscan(line, &at, &took, &address, &b.Method, &b.Path, &e.Status, &e.BodySize); err != nil {
		return b, e, who, err
	}
	began, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return b, e, who, err
	}
	duration, err := time.ParseDuration(took)
	if err != nil {
		return b, e, who, err
	}
	b.Time = exchange.Time(began.UnixNano())
	e.Time = b.Time.Add(duration)
	who.Address, err = netip.ParseAddr(address)
	return b, e, who, err
}

// Example has the receiver read a log of a year ago into all three signals.
func Example() {
	dir, _ := os.MkdirTemp("", "lines")
	defer os.RemoveAll(dir)
	factory := NewLinesFactory(strings.NewReader(`2024-11-28T08:15:30Z 13ms 192.0.2.7 GET /github.com/pkg/errors/@v/list 200 71
2024-11-28T08:15:31Z 8ms 192.0.2.7 GET /github.com/pkg/errors/@v/v0.9.1.zip 200 13100
2024-11-28T08:19:00Z 2ms 192.0.2.7 GET /golang.org/x/none/@v/list 404 12
`))
	cfg := factory.CreateDefaultConfig().(*LinesConfig)
	cfg.Path, cfg.DataDir = "access.log", dir
	ctx, set, host := context.Background(), receivertest.NewNopSettings(factory.Type()), componenttest.NewNopHost()
	set.ID = component.NewID(factory.Type()) // by which the folder is found again
	traces, metrics, logs := new(consumertest.TracesSink), new(consumertest.MetricsSink), new(consumertest.LogsSink)
	ofTraces, _ := factory.CreateTraces(ctx, set, cfg, traces)
	ofMetrics, _ := factory.CreateMetrics(ctx, set, cfg, metrics)
	ofLogs, _ := factory.CreateLogs(ctx, set, cfg, logs)
	all := []component.Component{ofTraces, ofMetrics, ofLogs}
	for _, signal := range all {
		if err := signal.Start(ctx, host); err != nil {
			fmt.Println(err)
		}
	}
	for logs.LogRecordCount() < 3 {
		time.Sleep(10 * time.Millisecond)
	}
	for _, signal := range all {
		_ = signal.Shutdown(ctx)
	}
	for _, t := range traces.AllTraces() {
		for _, span := range t.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			fmt.Println(span.StartTimestamp().AsTime().Format(time.DateTime), span.Name())
		}
	}
	fmt.Println(logs.LogRecordCount(), "documents; metrics:", metrics.DataPointCount() > 0)
	// Output:
	// 2024-11-28 08:15:30 GET /{module}/@v/list
	// 2024-11-28 08:15:31 GET /{module}/@v/{version}.zip
	// 2024-11-28 08:15:30 go build session
	// 2024-11-28 08:19:00 GET /{module}/@v/list
	// 2024-11-28 08:19:00 go build session
	// 3 documents; metrics: true
}
