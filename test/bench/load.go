// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Load asks for one file again and again over connections that are kept alive. It does as little as it can for each answer, since it
// shares the machine with what it measures: it looks at the status and at the length of the body, nothing else.
type Load struct {
	Address     string        // of the server, host:port
	Path        string        // of the file
	Size        int           // of the body, in bytes; another one is an error
	Connections int           // that ask at the same time
	Requests    int           // in all
	Within      time.Duration // no request begins later than this
}

// Result is what a [Load] saw.
type Result struct {
	Elapsed   time.Duration
	Latencies []time.Duration // one for each request, from the first byte sent to the last one received; in no order
}

// PerSecond returns the throughput in requests.
func (r Result) PerSecond() float64 { return float64(len(r.Latencies)) / r.Elapsed.Seconds() }

// patience is how long one answer may take.
const patience = 30 * time.Second

// Run opens the connections and asks. An answer that isn't 200 or has another length, and a connection that closes, are errors: a
// proxy that is fast because it fails must not win.
func (l Load) Run(ctx context.Context) (Result, error) {
	var (
		asked   atomic.Int64
		clients sync.WaitGroup
		mu      sync.Mutex
		faults  error
		result  Result
	)
	began := time.Now()
	for range l.Connections {
		clients.Go(func() {
			latencies, err := l.connection(ctx, func() bool {
				return asked.Add(1) <= int64(l.Requests) && time.Since(began) < l.Within && ctx.Err() == nil
			})
			mu.Lock()
			defer mu.Unlock()
			faults = errors.Join(faults, err)
			result.Latencies = append(result.Latencies, latencies...)
		})
	}
	clients.Wait()
	result.Elapsed = time.Since(began)
	return result, errors.Join(faults, context.Cause(ctx))
}

// connection asks over one connection while more says so.
func (l Load) connection(ctx context.Context, more func() bool) (latencies []time.Duration, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n\r\n", l.Path, l.Address)
	buf := make([]byte, min(256<<10, 4<<10+l.Size))
	latencies = make([]time.Duration, 0, l.Requests/l.Connections*2)
	for more() {
		sent := time.Now()
		if err := c.SetDeadline(sent.Add(patience)); err != nil {
			return latencies, err
		}
		if _, err := c.Write(request); err != nil {
			return latencies, err
		}
		if err := l.answer(c, buf); err != nil {
			return latencies, fmt.Errorf("GET %s from %s, request %d of a connection: %w", l.Path, l.Address, len(latencies)+1, err)
		}
		latencies = append(latencies, time.Since(sent))
	}
	return latencies, nil
}

// answer reads one answer from c. buf has room for any header.
func (l Load) answer(c io.Reader, buf []byte) error {
	read, end := 0, -1
	for end < 0 {
		if read == len(buf) {
			return fmt.Errorf("header of more than %d bytes", read)
		}
		n, err := c.Read(buf[read:])
		if read += n; n == 0 && err != nil {
			return fmt.Errorf("header: %w", err)
		}
		end = bytes.Index(buf[:read], []byte("\r\n\r\n"))
	}
	if err := l.header(buf[:end]); err != nil {
		return err
	}
	for body := read - end - 4; ; {
		if body == l.Size {
			return nil
		}
		if body > l.Size {
			return fmt.Errorf("%d bytes more than the body of %d", body-l.Size, l.Size)
		}
		n, err := c.Read(buf)
		if body += n; n == 0 && err != nil {
			return fmt.Errorf("body after %d of %d bytes: %w", body, l.Size, err)
		}
	}
}

// header checks an answer's header, without the empty line behind it.
func (l Load) header(header []byte) error {
	status, fields, _ := bytes.Cut(header, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("status line %q", status)
	}
	for line := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		if size, err := strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || size != l.Size {
			return fmt.Errorf("content length %q, not %d", value, l.Size)
		}
		return nil
	}
	return errors.New("no content length")
}
