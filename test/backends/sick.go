// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Ending is what a [Sick] upstream does instead of answering.
type Ending string

// The endings. Those of streams are HTTP/2's; a connection is closed, or reset where [Sick.Become] says so.
const (
	None         Ending = ""                    // It answers.
	OnAccept     Ending = "on accept"           // of a connection, before anything is read
	BeforeHeader Ending = "before the header"   // when a request has been read
	InHeader     Ending = "in the header"       // of the answer
	OnReuse      Ending = "on reuse"            // when the second request of a connection has been read
	TimeOutReuse Ending = "408 on reuse"        // as OnReuse, with an answer: it had waited too long for a request (RFC 9110, section 15.5.9)
	GoAway       Ending = "connection given up" // RFC 9113, section 6.8: the request wasn't processed
	RefuseStream Ending = "stream refused"      // RFC 9113, section 8.7: the same
	BreakStream  Ending = "stream in error"     // PROTOCOL_ERROR, of which some servers say that it means the same
	GoAwayReuse  Ending = "given up on reuse"   // as GoAway, for all but the first request of a connection
)

// SickBody is what it answers with while it is well.
const SickBody = `{"Version":"v1.0.0"}`

// Sick is an upstream that counts the requests that reach it, and can fall ill.
type Sick struct {
	// URL is its base.
	URL string

	http2 bool

	mu       sync.Mutex
	changed  sync.Cond
	ending   Ending
	reset    bool
	accepted int
	received int
	gather   int // Answers wait until so many requests do.
	waiting  int
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

// NewSick starts one that speaks "http" (HTTP/1.1), "https" (the same with TLS) or "h2" (HTTP/2 with TLS).
func NewSick(tb TB, protocol string) *Sick {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("sick upstream: %v", err)
	}
	s := &Sick{URL: "http://" + l.Addr().String(), http2: protocol == "h2", conns: make(map[net.Conn]bool)}
	s.changed.L = &s.mu
	var secured *tls.Config
	if protocol != "http" {
		s.URL = "https://" + l.Addr().String()
		secured = &tls.Config{Certificates: sickCertificate(), NextProtos: []string{"http/1.1"}}
		if s.http2 {
			secured.NextProtos = []string{"h2"}
		}
	}
	s.running.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			s.mu.Lock()
			s.accepted++
			s.conns[c] = true
			s.mu.Unlock()
			s.running.Go(func() { s.serve(c.(*net.TCPConn), secured) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		s.Gather(0)
		s.mu.Lock()
		for c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

// sickCertificate is that of net/http/httptest, for 127.0.0.1.
func sickCertificate() []tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates
}

// Become changes how requests end from now on.
func (s *Sick) Become(e Ending, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending, s.reset = e, reset
}

// Gather holds answers back until n requests wait for theirs, so that each has a connection of its own in HTTP/1.
func (s *Sick) Gather(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather = n
	s.changed.Broadcast()
}

// Counts returns how many requests have been read, and how many connections accepted.
func (s *Sick) Counts() (received, accepted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received, s.accepted
}

func (s *Sick) serve(raw *net.TCPConn, secured *tls.Config) {
	reset := false
	defer func() {
		s.mu.Lock()
		delete(s.conns, raw)
		s.mu.Unlock()
		if reset {
			_ = raw.SetLinger(0)
		}
		_ = raw.Close()
	}()
	s.mu.Lock()
	at, asReset := s.ending, s.reset
	s.mu.Unlock()
	if at == OnAccept {
		reset = asReset
		return
	}
	c := net.Conn(raw)
	if secured != nil {
		c = tls.Server(raw, secured)
	}
	if s.http2 {
		reset = s.serveHTTP2(c)
	} else {
		reset = s.serveHTTP1(c)
	}
}

// next counts a request, the n-th of its connection, and returns how it ends.
func (s *Sick) next(n int) (e Ending, reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	s.waiting++
	s.changed.Broadcast()
	for s.waiting < s.gather {
		s.changed.Wait()
	}
	if s.gather > 0 {
		s.gather, s.waiting = 0, 0
		s.changed.Broadcast()
	}
	e, reset = s.ending, s.reset
	switch {
	case e == OnAccept, n == 1 && (e == OnReuse || e == TimeOutReuse || e == GoAwayReuse):
		e = None
	case e == OnReuse:
		e = BeforeHeader
	case e == GoAwayReuse:
		e = GoAway
	}
	return e, reset
}

func (s *Sick) serveHTTP1(c net.Conn) (reset bool) {
	in := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return false
		}
		e, reset := s.next(n)
		switch e {
		case None:
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(SickBody))
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(c, SickBody)
			}
		case InHeader:
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
			return reset
		case TimeOutReuse:
			_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return false
		default:
			return reset
		}
	}
}

// The types, flags and codes of RFC 9113 that are used.
const (
	h2Data, h2Headers, h2Reset, h2Settings, h2Ping, h2GoAway = 0, 1, 3, 4, 6, 7

	h2EndStream, h2Ack, h2EndHeaders = 1, 1, 4

	h2ProtocolError, h2Refused = 1, 7
)

func (s *Sick) serveHTTP2(c net.Conn) (reset bool) {
	in := bufio.NewReader(c)
	if _, err := io.CopyN(io.Discard, in, 24); err != nil { // the client's preface
		return false
	}
	writeFrame(c, h2Settings, 0, 0, nil)
	for n := 0; ; {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return false
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(in, payload); err != nil {
			return false
		}
		switch kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:]); {
		case kind == h2Settings && flags&h2Ack == 0:
			writeFrame(c, h2Settings, h2Ack, 0, nil)
		case kind == h2Ping && flags&h2Ack == 0:
			writeFrame(c, h2Ping, h2Ack, 0, payload)
		case kind == h2Headers:
			n++
			e, reset := s.next(n)
			if !answerHTTP2(c, e, stream) {
				return reset
			}
		}
	}
}

// answerHTTP2 tells whether the connection goes on.
func answerHTTP2(c net.Conn, e Ending, stream uint32) bool {
	code := func(n byte) []byte { return []byte{0, 0, 0, n} }
	switch e {
	case None:
		writeFrame(c, h2Headers, h2EndHeaders, stream, []byte{0x88}) // :status 200
		writeFrame(c, h2Data, h2EndStream, stream, []byte(SickBody))
	case RefuseStream:
		writeFrame(c, h2Reset, 0, stream, code(h2Refused))
	case BreakStream:
		writeFrame(c, h2Reset, 0, stream, code(h2ProtocolError))
	case GoAway:
		writeFrame(c, h2GoAway, 0, 0, append(binary.BigEndian.AppendUint32(nil, max(stream, 2)-2), 0, 0, 0, 0))
	case InHeader:
		_, _ = c.Write([]byte{0, 0, 9, h2Headers, h2EndHeaders, 0, 0, 0, byte(stream), 0x88})
		return false
	default:
		return false
	}
	return true
}

func writeFrame(c net.Conn, kind, flags byte, stream uint32, payload []byte) {
	n := len(payload)
	frame := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	_, _ = c.Write(append(binary.BigEndian.AppendUint32(frame, stream), payload...))
}
