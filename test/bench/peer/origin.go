// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"

	"github.com/modtap/modtap/test/bench"
)

// origin serves the benchmark's files from memory with one write each: the less it costs, the more of the machine is left to the
// proxy that is measured. It knows GET over HTTP/1.1 and nothing else.
type origin struct {
	answers map[string][]byte // whole ones, by path
}

func newOrigin() (*origin, error) {
	o := &origin{answers: make(map[string][]byte)}
	types := map[string]string{"info": "application/json", "mod": "text/plain; charset=utf-8", "zip": "application/zip"}
	for _, m := range []bench.Module{bench.Small, bench.Large} {
		for kind, contentType := range types {
			path, content, err := m.File(kind)
			if err != nil {
				return nil, err
			}
			o.answers[path] = answer(http.StatusOK, contentType, content)
		}
	}
	return o, nil
}

var notFound = answer(http.StatusNotFound, "text/plain; charset=utf-8", []byte("not found\n"))

func answer(status int, contentType string, content []byte) []byte {
	header := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nDate: Tue, 14 Jan 2020 19:47:44 GMT\r\nContent-Type: %s\r\nCache-Control: public, max-age=604800\r\n"+
		"Etag: \"%08x\"\r\nContent-Length: %d\r\n\r\n", status, http.StatusText(status), contentType, len(content), len(content))
	return append(header, content...)
}

func (o *origin) serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go o.connection(c)
	}
}

func (o *origin) connection(c net.Conn) {
	defer func() { _ = c.Close() }()
	for r := bufio.NewReader(c); ; {
		answer, err := o.request(r)
		if err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// request reads one request and returns its answer.
func (o *origin) request(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	found := notFound
	if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == http.MethodGet {
		if a, ok := o.answers[string(fields[1])]; ok {
			found = a
		}
	}
	for len(bytes.TrimSpace(line)) > 0 {
		if line, err = r.ReadSlice('\n'); err != nil {
			return nil, err
		}
	}
	return found, nil
}
