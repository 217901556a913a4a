// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
)

// redialAfter is how long a name's address is trusted.
const redialAfter = 30 * time.Second

// udpSender sends packets to an agent. It uses the client library's types but not
// its utils.AgentClientUDP, which hides that nobody listens.
type udpSender struct {
	address string
	giveUp  giveUp

	mu     sync.Mutex // One packet at a time.
	packer *packer
	conn   *net.UDPConn // Nil while there is none.
	dialed time.Time
}

func newUDPSender(address string, limit int, giveUp giveUp) *udpSender {
	return &udpSender{address: address, giveUp: giveUp, packer: newPacker(limit)}
}

func (s *udpSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp()
}

func (s *udpSender) send(ctx context.Context, batch *jaeger.Batch) (done int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for done < len(batch.Spans) {
		n, size, err := s.packer.fit(ctx, batch.Process, batch.Spans[done:])
		if err != nil {
			return done, err
		}
		if n == 0 {
			s.giveUp(ctx, 1, reasonTooLarge, fmt.Errorf("a packet with the span %q alone is %d bytes long, max_packet_size is %d",
				batch.Spans[done].OperationName, size, s.packer.limit))
			done++
			continue
		}
		packet, err := s.packer.pack(ctx, &jaeger.Batch{Process: batch.Process, Spans: batch.Spans[done : done+n]})
		if err != nil {
			return done, err
		}
		err = s.write(ctx, packet)
		if errors.Is(err, syscall.EMSGSIZE) {
			s.giveUp(ctx, n, reasonPacketRefused, fmt.Errorf("lower max_packet_size: %w", err))
		} else if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// write sends a packet. That nobody listens is an error at once on one machine; on
// another it is known with the next packet, which isn't sent then.
func (s *udpSender) write(ctx context.Context, packet []byte) error {
	if err := s.dial(ctx); err != nil {
		return err
	}
	_, err := s.conn.Write(packet)
	if err == nil {
		err = pendingError(s.conn)
	}
	if err != nil {
		s.hangUp()
		return fmt.Errorf("packet to udp://%s: %w", s.address, err)
	}
	return nil
}

func (s *udpSender) dial(ctx context.Context) error {
	if s.conn != nil && time.Since(s.dialed) < redialAfter {
		return nil
	}
	s.hangUp()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", s.address)
	if err != nil {
		return fmt.Errorf("address of the agent: %w", err)
	}
	s.conn, s.dialed = conn.(*net.UDPConn), time.Now()
	// Some systems send no packet larger than their buffer. If it can't be had, the
	// packet's own error says so.
	_ = s.conn.SetWriteBuffer(s.packer.limit)
	return nil
}

func (s *udpSender) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close() // Nothing is left to be sent.
		s.conn = nil
	}
}
