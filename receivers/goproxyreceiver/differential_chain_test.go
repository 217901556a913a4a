// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goproxy"
)

// TestDifferentialOfChains: behind the egress and the embedded proxy an origin gets requests of the protocol only, for modules that a
// client named in a request line.
func TestDifferentialOfChains(t *testing.T) {
	const inputs = 400
	t.Logf("seed %d, %d inputs", seed, inputs)
	list := func(c net.Conn, r received) {
		answer := "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"
		if strings.HasSuffix(r.line, "/@v/list") {
			answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nv1.0.0\n"
		} else if !strings.HasPrefix(r.line, "HEAD ") {
			answer += "not here\n"
		}
		_, _ = io.WriteString(c, answer)
	}
	for side, change := range map[string]func(*front) func(*Config){
		"egress": func(f *front) func(*Config) {
			return func(cfg *Config) { cfg.Egress.Endpoint, cfg.GOPROXY = "127.0.0.1:0", f.origin.url }
		},
		"embedded": func(f *front) func(*Config) {
			return func(cfg *Config) { cfg.Upstream, cfg.GOPROXY = Embedded, f.origin.url }
		},
	} {
		t.Run(side, func(t *testing.T) {
			list := &front{origin: startOrigin(t, list)}
			f := modtapFront(t, echo, false, change(list))
			random := rand.New(rand.NewPCG(seed, 11))
			for range inputs {
				raw := strings.ReplaceAll(hostileRequests(random), "/@v/list", ".example/@v/list")
				f.converse(t, raw, patience)
				require.Empty(t, list.origin.malformed(), "input %q", raw)
				require.Empty(t, unasked(f.requests(), list.origin.seen()), "input %q", raw)
			}
			assert.NotEmpty(t, list.origin.seen())
			assert.Empty(t, f.origin.seen(), "only the list is asked")
		})
	}
}

// unasked names a request that an origin got and that no client's request names the module of.
func unasked(taken []string, seen []received) string {
	modules := make(map[string]bool)
	for _, line := range taken {
		_, path, _ := strings.Cut(line, " ")
		modules[goproxy.Parse(path).Module] = true
	}
	for _, r := range seen {
		method, target, _ := strings.Cut(r.line, " ")
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return err.Error()
		}
		asked := goproxy.Parse(u.Path)
		if method != "GET" && method != "HEAD" || asked.Operation == goproxy.Other || !modules[asked.Module] {
			return fmt.Sprintf("%s (%+v)", r.line, asked)
		}
	}
	return ""
}
