// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata/request"
	"google.golang.org/protobuf/encoding/protowire"
)

// How exporterhelper v0.158 keeps a queue (its internal/queue/persistent_queue.go and meta.proto): each request under its
// index in decimal, and one record of what the queue is.
const (
	bucketName  = "default"
	metadataKey = "qmv0"
)

// metadata is exporterhelper's PersistentMetadata. The queue holds the requests [read, write) and the dispatched ones.
type metadata struct {
	items, bytes int64
	read, write  uint64
	dispatched   []uint64
}

var errMetadata = errors.New("damaged queue metadata")

func parseMetadata(text []byte) (metadata, error) {
	var m metadata
	for len(text) > 0 {
		number, kind, n := protowire.ConsumeTag(text)
		if n < 0 {
			return m, errMetadata
		}
		text = text[n:]
		switch {
		case kind == protowire.Fixed64Type && number <= 5:
			v, n := protowire.ConsumeFixed64(text)
			if n < 0 {
				return m, errMetadata
			}
			text = text[n:]
			switch number {
			case 1:
				m.items = int64(v)
			case 2:
				m.bytes = int64(v)
			case 3:
				m.read = v
			case 4:
				m.write = v
			case 5:
				m.dispatched = append(m.dispatched, v)
			}
		case kind == protowire.BytesType && number == 5:
			packed, n := protowire.ConsumeBytes(text)
			if n < 0 || len(packed)%8 != 0 {
				return m, errMetadata
			}
			text = text[n:]
			for ; len(packed) > 0; packed = packed[8:] {
				v, _ := protowire.ConsumeFixed64(packed)
				m.dispatched = append(m.dispatched, v)
			}
		default:
			n := protowire.ConsumeFieldValue(number, kind, text)
			if n < 0 {
				return m, errMetadata
			}
			text = text[n:]
		}
	}
	if m.read > m.write || m.items < 0 || m.bytes < 0 {
		return m, errMetadata
	}
	return m, nil
}

func (m *metadata) marshal() []byte {
	var text []byte
	for number, v := range []uint64{1: uint64(m.items), 2: uint64(m.bytes), 3: m.read, 4: m.write} {
		if number > 0 && v != 0 {
			text = protowire.AppendFixed64(protowire.AppendTag(text, protowire.Number(number), protowire.Fixed64Type), v)
		}
	}
	if len(m.dispatched) > 0 {
		text = protowire.AppendVarint(protowire.AppendTag(text, 5, protowire.BytesType), uint64(8*len(m.dispatched)))
		for _, v := range m.dispatched {
			text = protowire.AppendFixed64(text, v)
		}
	}
	return text
}

// requests returns how many requests the queue holds.
func (m *metadata) requests() int { return int(m.write-m.read) + len(m.dispatched) }

// holds reports whether a request is one of the queue's, and not one that was sent.
func (m *metadata) holds(index uint64) bool {
	if index >= m.read && index < m.write {
		return true
	}
	return slices.Contains(m.dispatched, index)
}

// oldest returns the index of the oldest request; false if the queue is empty.
func (m *metadata) oldest() (uint64, bool) {
	oldest, some := m.read, m.read < m.write
	for _, d := range m.dispatched {
		if !some || d < oldest {
			oldest, some = d, true
		}
	}
	return oldest, some
}

// newer reports whether m was written after o: both indices only ever rise.
func (m *metadata) newer(o *metadata) bool {
	return m.write > o.write || (m.write == o.write && (m.read > o.read || (m.read == o.read && m.items < o.items)))
}

// signalOf returns the signal that a queue file is of, by its name; "" for a file that is no exporter's queue.
func signalOf(name string) string {
	if !strings.HasPrefix(name, "exporter_") {
		return ""
	}
	for _, signal := range []string{"traces", "metrics", "logs"} {
		if strings.HasSuffix(name, "_"+signal) {
			return signal
		}
	}
	return ""
}

// indexOf returns the index of the request that is kept under a key.
func indexOf(key []byte) (uint64, bool) {
	index, err := strconv.ParseUint(string(key), 10, 64)
	return index, err == nil
}

var errRequest = errors.New("damaged request")

// measure reads a request as the exporter will, and returns its spans, metric points or log records and
// its size in the queue's own terms.
func measure(signal string, value []byte) (items, bytes int, err error) {
	if len(value) == 0 {
		return 0, 0, errRequest
	}
	switch signal {
	case "traces":
		_, td, err := request.UnmarshalTraces(value)
		if errors.Is(err, request.ErrInvalidFormat) {
			td, err = new(ptrace.ProtoUnmarshaler).UnmarshalTraces(value)
		}
		if err != nil {
			return 0, 0, errRequest
		}
		return td.SpanCount(), new(ptrace.ProtoMarshaler).TracesSize(td), nil
	case "metrics":
		_, md, err := request.UnmarshalMetrics(value)
		if errors.Is(err, request.ErrInvalidFormat) {
			md, err = new(pmetric.ProtoUnmarshaler).UnmarshalMetrics(value)
		}
		if err != nil {
			return 0, 0, errRequest
		}
		return md.DataPointCount(), new(pmetric.ProtoMarshaler).MetricsSize(md), nil
	default:
		_, ld, err := request.UnmarshalLogs(value)
		if errors.Is(err, request.ErrInvalidFormat) {
			ld, err = new(plog.ProtoUnmarshaler).UnmarshalLogs(value)
		}
		if err != nil {
			return 0, 0, errRequest
		}
		return ld.LogRecordCount(), new(plog.ProtoMarshaler).LogsSize(ld), nil
	}
}
