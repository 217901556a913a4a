// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/modtap/modtap/collector/exporterwatch"
)

// A queue is the file of one exporter's queue, as exporterhelper uses it.
type queue struct {
	storage.Client
	path   string
	report func(path string, err error)
	gauge  metric.Registration

	mu   sync.Mutex
	note note
	file *os.File // of the note; nil where it can't be written
}

// open takes up the note of the last run and registers the metrics.
func (q *queue) open(ctx context.Context, set component.TelemetrySettings, id component.ID, signal string, found Salvaged) error {
	if last, ok := readNote(q.path); ok {
		q.note = *last
	} else if found.Requests > 0 {
		// For how long what was salvaged has been waiting isn't known: at least from now on.
		q.note.put(uint64(found.Requests-1), time.Now())
	}
	// The note may be left of a file that is gone, or older than the file: what isn't in the queue doesn't wait.
	held, err := q.Get(ctx, metadataKey)
	if err != nil {
		return err
	}
	if state, err := parseMetadata(held); err == nil && len(held) > 0 {
		q.note.sent(state.oldest())
	} else {
		q.note.sent(0, false)
	}
	// A note that can't be written is one that isn't there after damage: no reason to keep the exporter from working.
	q.file, _ = os.OpenFile(q.path+noteSuffix, os.O_RDWR|os.O_CREATE, 0o600)

	meter := set.MeterProvider.Meter(exporterwatch.Scope)
	of := metric.WithAttributes(exporterwatch.Of(id, signal)...)
	age, err := meter.Float64ObservableGauge("otelcol_exporter_queue_oldest_age", metric.WithUnit("s"),
		metric.WithDescription("Time that the oldest request in an exporter's queue on disk has been waiting, at least; 0 if none waits."))
	if err != nil {
		return err
	}
	salvaged, err := meter.Int64Counter("otelcol_exporter_queue_salvaged_items", metric.WithUnit("{items}"),
		metric.WithDescription("Number of spans, metric points or log records that were read from an exporter's broken queue file when Modtap started."))
	if err != nil {
		return err
	}
	requests, err := meter.Int64Counter("otelcol_exporter_queue_lost_requests", metric.WithUnit("{requests}"),
		metric.WithDescription("Number of requests in an exporter's broken queue file that couldn't be read when Modtap started."))
	if err != nil {
		return err
	}
	drops, err := exporterwatch.Drops(meter)
	if err != nil {
		return err
	}
	salvaged.Add(ctx, int64(found.Items), of)
	requests.Add(ctx, int64(found.LostRequests), of)
	drops.Add(ctx, int64(found.LostItems), of, metric.WithAttributes(attribute.String("reason", exporterwatch.ReasonQueueDamaged)))
	q.gauge, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		o.ObserveFloat64(age, q.note.age(time.Now()).Seconds(), of)
		return nil
	}, age)
	return err
}

// Batch does the operations and notes what they did to the queue. Where the disk
// takes nothing, what is to be read is read all the same: exporterhelper notes that
// a request is under way as it reads it, and drops the request, uncounted, if that
// fails. The note is written with the next batch, as each holds all of it; after a
// kill before that, the request is sent again.
func (q *queue) Batch(ctx context.Context, operations ...*storage.Operation) error {
	err := q.Client.Batch(ctx, operations...)
	q.report(q.path, err)
	if err == nil {
		q.keep(operations)
		return nil
	}
	if reads := gets(operations); len(reads) > 0 && q.read(ctx, reads) == nil {
		return nil
	}
	return err
}

// gets returns the operations that read, by their keys.
func gets(operations []*storage.Operation) map[string]*storage.Operation {
	reads := make(map[string]*storage.Operation)
	for _, o := range operations {
		if o.Type == storage.Get {
			reads[o.Key] = o
		}
	}
	return reads
}

// errRead ends a walk without a commit, which would write.
var errRead = errors.New("all is read")

// read does reads without writing anything. A key that isn't there has no value.
func (q *queue) read(ctx context.Context, reads map[string]*storage.Operation) error {
	missing := len(reads)
	err := q.Walk(ctx, func(key string, value []byte) ([]*storage.Operation, error) {
		if o := reads[key]; o != nil {
			o.Value = bytes.Clone(value)
			missing--
		}
		if missing == 0 {
			return nil, errRead
		}
		return nil, nil
	})
	if errors.Is(err, errRead) {
		return nil
	}
	return err
}

// Get reads one value.
func (q *queue) Get(ctx context.Context, key string) ([]byte, error) {
	operation := storage.GetOperation(key)
	err := q.Batch(ctx, operation)
	return operation.Value, err
}

// Set stores one value.
func (q *queue) Set(ctx context.Context, key string, value []byte) error {
	return q.Batch(ctx, storage.SetOperation(key, value))
}

// Delete removes one value.
func (q *queue) Delete(ctx context.Context, key string) error {
	return q.Batch(ctx, storage.DeleteOperation(key))
}

// Walk goes through all values.
func (q *queue) Walk(ctx context.Context, step storage.WalkFunc) error {
	walker, ok := q.Client.(storage.Walker)
	if !ok {
		return errors.ErrUnsupported
	}
	return walker.Walk(ctx, step)
}

// Close closes the file and keeps its note.
func (q *queue) Close(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := errors.Join(q.gauge.Unregister(), q.Client.Close(ctx))
	if q.file != nil {
		err = errors.Join(err, q.file.Close())
		q.file = nil
	}
	return err
}

func (q *queue) keep(operations []*storage.Operation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var changed bool
	for _, o := range operations {
		if o.Type != storage.Set {
			continue
		}
		if index, ok := indexOf([]byte(o.Key)); ok {
			q.note.put(index, time.Now())
			changed = true
		}
		if o.Key != metadataKey {
			continue
		}
		if state, err := parseMetadata(o.Value); err == nil {
			q.note.Queue = o.Value
			q.note.sent(state.oldest())
			changed = true
		}
	}
	if changed && q.file != nil {
		_, _ = q.file.WriteAt(q.note.encode(), 0) // as for its opening
	}
}
