// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package goproxyreceiver

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hanging is an upstream that does something with each connection and then nothing,
// until the test's end. asked is closed when the first one came.
func hanging(t *testing.T, do func(net.Conn)) (address string, asked chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	asked = make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			once.Do(func() { close(asked) })
			serving.Go(func() { do(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return l.Addr().String(), asked
}

// dribble writes a byte now and then, for as long as somebody reads.
func dribble(c net.Conn, head string) {
	_, _ = io.WriteString(c, head)
	for {
		if _, err := io.WriteString(c, "x"); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestEveryStopIsBounded: whatever an upstream does or doesn't, in whichever phase,
// the stop takes no longer than shutdown_timeout says.
func TestEveryStopIsBounded(t *testing.T) {
	phases := map[string]struct {
		scheme string
		do     func(net.Conn)
	}{
		"takes the connection": {"http", func(net.Conn) {}},
		"no TLS handshake":     {"https", func(net.Conn) {}},
		"dribbles TLS":         {"https", func(c net.Conn) { dribble(c, "\x16\x03\x03\xff\xff") }},
		"dribbles a header":    {"http", func(c net.Conn) { dribble(c, "HTTP/1.1 200 OK\r\nX: ") }},
		"sends 100s":           {"http", func(c net.Conn) { dribble(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n") }},
		"stops in the body":    {"http", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx") }},
		"dribbles the body":    {"http", func(c net.Conn) { dribble(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n") }},
		"dribbles an error": {"http", func(c net.Conn) {
			dribble(c, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n")
		}},
		"redirects to itself": {"http", func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond)
				_, _ = fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: http://%s/again\r\nContent-Length: 0\r\n\r\n", c.LocalAddr())
			}
		}},
	}
	for name, phase := range phases {
		for _, way := range []string{"forward", "embedded", "egress"} {
			t.Run("case 8: "+way+": "+name, func(t *testing.T) {
				address, asked := hanging(t, phase.do)
				stopsInTime(t, way, phase.scheme+"://"+address, asked)
			})
		}
	}
	t.Run("case 44: direct: a go command that never ends", func(t *testing.T) {
		dir := t.TempDir()
		begun := filepath.Join(dir, "begun")
		tool, err := exec.LookPath("go")
		require.NoError(t, err)
		script := "#!/bin/sh\nif [ \"$1\" = env ]; then exec " + tool + " \"$@\"; fi\n" +
			"trap '' TERM\nsh -c 'trap \"\" TERM; sleep 600; sleep 600' &\ntouch " + begun + "\nsleep 600\nsleep 600\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700))
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for end := time.Now().Add(soon); time.Now().Before(end); time.Sleep(tick) {
				if _, err := os.Stat(begun); err == nil {
					return
				}
			}
		}()
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		stopsInTime(t, "embedded", "direct", asked)
	})
}

func stopsInTime(t *testing.T, way, upstream string, asked <-chan struct{}) {
	t.Helper()
	r, url := behind(t, way, upstream, func(cfg *Config) {
		cfg.Ingress.ShutdownTimeout, cfg.Egress.ShutdownTimeout = 200*time.Millisecond, 200*time.Millisecond
		if upstream == "direct" {
			cfg.GOPROXY = "direct"
		}
	})
	conn := dial(t, url)
	defer conn.Close()
	write(t, conn, url, get("/nowhere.invalid/m/@v/v1.0.0.zip"))
	select {
	case <-asked:
	case <-time.After(soon):
		require.Fail(t, "the upstream wasn't asked")
	}
	time.Sleep(20 * time.Millisecond)
	begin := time.Now()
	r.stop(t)
	assert.Less(t, time.Since(begin), 8*time.Second)
}
