// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/agent"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
)

// emitBatch is the one call of the agent's service that takes spans.
const emitBatch = "emitBatch"

// A packer writes packets for Jaeger's agent: thrift in its compact protocol. It is
// for one goroutine at a time.
type packer struct {
	limit    int // Of a packet, in bytes.
	buffer   *thrift.TMemoryBuffer
	protocol *thrift.TCompactProtocol
}

func newPacker(limit int) *packer {
	buffer := thrift.NewTMemoryBufferLen(limit)
	return &packer{limit: limit, buffer: buffer, protocol: thrift.NewTCompactProtocolConf(buffer, nil)}
}

// pack returns the packet that holds a batch; it is valid until the next call of
// any method.
func (p *packer) pack(ctx context.Context, batch *jaeger.Batch) ([]byte, error) {
	p.buffer.Reset()
	if err := p.protocol.WriteMessageBegin(ctx, emitBatch, thrift.ONEWAY, 1); err != nil {
		return nil, fmt.Errorf("packet as thrift: %w", err)
	}
	if err := (&agent.AgentEmitBatchArgs{Batch: batch}).Write(ctx, p.protocol); err != nil {
		return nil, fmt.Errorf("packet as thrift: %w", err)
	}
	return p.buffer.Bytes(), nil
}

// fit returns how many of the first spans go into one packet, which is then size
// bytes long. No span means that the first doesn't fit even alone, and size is what
// it would need. The sizes are exact: a span takes the same space wherever it
// stands in a packet, and only the length of the list has to be added.
func (p *packer) fit(ctx context.Context, process *jaeger.Process, spans []*jaeger.Span) (n, size int, err error) {
	empty, err := p.pack(ctx, &jaeger.Batch{Process: process, Spans: []*jaeger.Span{}})
	if err != nil {
		return 0, 0, err
	}
	envelope, all := len(empty), 0
	for _, span := range spans {
		p.buffer.Reset()
		if err := span.Write(ctx, p.protocol); err != nil {
			return 0, 0, fmt.Errorf("span as thrift: %w", err)
		}
		all += p.buffer.Len()
		with := envelope + all + listLength(n+1)
		if with > p.limit {
			if n == 0 {
				size = with
			}
			return n, size, nil
		}
		n, size = n+1, with
	}
	return n, size, nil
}

// listLength is what a list's header takes beyond the byte of an empty one: the
// compact protocol puts lengths up to 14 into that byte.
func listLength(n int) int {
	if n < 15 {
		return 0
	}
	var varint [binary.MaxVarintLen64]byte
	return binary.PutUvarint(varint[:], uint64(n))
}
