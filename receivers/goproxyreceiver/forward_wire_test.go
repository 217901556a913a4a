// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// received is a request as it arrived at an origin.
type received struct {
	line   string // without the version
	header http.Header
	host   string
	body   string
}

// wireOrigin is an origin that reads and answers bytes.
type wireOrigin struct {
	url    string
	answer func(c net.Conn, r received) // closes c, or leaves it open for the next request

	mu       sync.Mutex
	requests []received
	accepted int
	faults   []string // heads that are no HTTP, or that RFC 9112 forbids
}

// startOrigin starts an origin until the test's end.
func startOrigin(t testing.TB, answer func(c net.Conn, r received)) *wireOrigin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := &wireOrigin{url: "http://" + l.Addr().String(), answer: answer}
	var serving sync.WaitGroup
	var mu sync.Mutex
	conns := make(map[net.Conn]bool)
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			serving.Go(func() { o.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return o
}

// rawOrigin answers every request with the same bytes; the connection ends behind
// them if they say so.
func rawOrigin(t testing.TB, answer string) *wireOrigin {
	t.Helper()
	return startOrigin(t, func(c net.Conn, _ received) { send(c, answer) })
}

func send(c net.Conn, answer string) {
	_, _ = io.WriteString(c, answer)
	if strings.Contains(answer, "Connection: close") || strings.HasPrefix(answer, "HTTP/1.0") {
		_ = c.Close()
	}
}

func (o *wireOrigin) serve(c net.Conn) {
	defer c.Close()
	o.mu.Lock()
	o.accepted++
	o.mu.Unlock()
	br := bufio.NewReader(c)
	for {
		var r received
		var err error
		if r, br, err = o.read(br); err != nil {
			return
		}
		o.mu.Lock()
		o.requests = append(o.requests, r)
		o.mu.Unlock()
		o.answer(c, r)
	}
}

// read reads one request, its head as it stands on the wire, and returns the
// reader of what follows.
func (o *wireOrigin) read(br *bufio.Reader) (received, *bufio.Reader, error) {
	var head []byte
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if len(head) > 0 {
				o.fault(string(head))
			}
			return received{}, br, err
		}
	}
	first, _, _ := strings.Cut(string(head), "\r\n")
	method, rest, _ := strings.Cut(first, " ")
	target := rest[:max(0, strings.LastIndexByte(rest, ' '))]
	if fault := malformed(string(head)); fault != "" {
		o.fault(fault + ": " + string(head))
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		o.fault(err.Error())
		return received{}, br, err
	}
	r := received{line: method + " " + target, header: req.Header, host: req.Host}
	if req.ContentLength == 0 {
		return r, br, nil
	}
	br = bufio.NewReader(io.MultiReader(bytes.NewReader(head), br))
	if req, err = http.ReadRequest(br); err != nil {
		return r, br, err
	}
	body, err := io.ReadAll(req.Body)
	r.body = string(body)
	return r, br, err
}

func (o *wireOrigin) fault(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, what)
}

// malformed names what a strict origin would refuse in a head (RFC 9112).
func malformed(head string) string {
	lengths, encodings := 0, 0
	for i, line := range strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n") {
		name, _, ok := strings.Cut(line, ":")
		switch {
		case strings.ContainsAny(line, "\r\n\x00"):
			return "control character"
		case i == 0 && strings.Count(line, " ") != 2:
			return "request line"
		case i == 0:
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			return "obs-fold"
		case !ok || strings.TrimRight(name, " \t") != name:
			return "header name"
		case strings.EqualFold(name, "Content-Length"):
			lengths++
		case strings.EqualFold(name, "Transfer-Encoding"):
			encodings++
		}
	}
	if lengths+encodings > 1 {
		return "two lengths"
	}
	return ""
}

func (o *wireOrigin) seen() []received {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests)
}

func (o *wireOrigin) connections() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accepted
}

func (o *wireOrigin) malformed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.faults)
}

// answered is an answer as it arrived at a client.
type answered struct {
	early   []http.Header // of informational answers, with their status as ":status"
	code    int
	reason  string
	framing string
	header  http.Header
	body    string
	broken  bool // the body ended early
	trailer http.Header
}

// dial connects to the server of a base URL.
func dial(t testing.TB, base string) net.Conn {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	d := net.Dialer{Timeout: soon}
	var c net.Conn
	if u.Scheme == "https" {
		c, err = (&tls.Dialer{NetDialer: &d, Config: insecure()}).DialContext(t.Context(), "tcp", u.Host)
	} else {
		c, err = d.DialContext(t.Context(), "tcp", u.Host)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func insecure() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test's own certificate
}

// write sends raw bytes; {host} stands for the address they are sent to.
func write(t testing.TB, c net.Conn, base, raw string) {
	t.Helper()
	_, host, _ := strings.Cut(base, "://")
	_, err := io.WriteString(c, strings.ReplaceAll(raw, "{host}", host))
	require.NoError(t, err)
}

// ask sends raw bytes on a connection of its own and reads the answer.
func ask(t testing.TB, base, raw string) answered {
	t.Helper()
	c := dial(t, base)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(2*soon)))
	write(t, c, base, raw)
	method, _, _ := strings.Cut(raw, " ")
	return readAnswer(t, bufio.NewReader(c), method)
}

func readAnswer(t testing.TB, br *bufio.Reader, method string) answered {
	t.Helper()
	var a answered
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		require.NoError(t, err)
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			resp.Header[":status"] = []string{resp.Status}
			a.early = append(a.early, resp.Header)
			continue
		}
		a.read(resp)
		return a
	}
}

func (a *answered) read(resp *http.Response) {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	a.code, a.reason, a.header, a.trailer = resp.StatusCode, resp.Status, resp.Header, resp.Trailer
	a.body, a.broken = string(body), err != nil
	switch {
	case len(resp.TransferEncoding) > 0:
		a.framing = resp.TransferEncoding[0]
	case resp.ContentLength >= 0:
		a.framing = "length"
	default:
		a.framing = "until close"
	}
}

// askHTTP2 sends the same request over HTTP/2.
func askHTTP2(t testing.TB, base, raw string) answered {
	t.Helper()
	_, host, _ := strings.Cut(base, "://")
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(raw, "{host}", host))))
	require.NoError(t, err)
	u, err := url.Parse(base + req.RequestURI)
	require.NoError(t, err)
	var a answered
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		early := http.Header(h).Clone()
		early[":status"] = []string{strconv.Itoa(code) + " " + http.StatusText(code)}
		a.early = append(a.early, early)
		return nil
	}})
	out := (&http.Request{Method: req.Method, URL: u, Header: req.Header, Host: host}).WithContext(ctx)
	if _, sent := out.Header["User-Agent"]; !sent {
		out.Header["User-Agent"] = nil
	}
	transport := &http.Transport{TLSClientConfig: insecure(), ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(out)
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor, "HTTP/2 was negotiated")
	a.read(resp)
	return a
}
