// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/modtap/modtap/internal/redact"
)

// A place is where something of a running Modtap is.
type place struct {
	what  string
	where string
	note  string
}

// places are what components announced when they started: only they know which
// port they got where the configuration says 0.
type places struct {
	mu        sync.Mutex
	announced []place
}

// announce is handed to our components' factories. What is a word such as
// "proxy", where a URL or a file, note a remark for people or "".
func (p *places) announce(what, where, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announced = append(p.announced, place{what, where, note})
}

// known are the components whose place can be read from the configuration, in
// the order in which they are told.
var known = []struct {
	what   string
	key    *regexp.Regexp
	format string
}{
	{"proxy", regexp.MustCompile(`^receivers::goproxy(/[^:]+)?::ingress::endpoint$`), "http://%s"},
	{"egress", regexp.MustCompile(`^receivers::goproxy(/[^:]+)?::egress::endpoint$`), "http://%s"},
	{"metrics", regexp.MustCompile(`^exporters::prometheus(/[^:]+)?::endpoint$`), "http://%s/metrics"},
	{"log", regexp.MustCompile(`^exporters::jsonlines(/[^:]+)?::path$`), "%s"},
	{"health", regexp.MustCompile(`^extensions::health(_check)?(/[^:]+)?::endpoint$`), "http://%s"},
	{"jaeger", regexp.MustCompile(`^exporters::(otlp_http|otlp_grpc)/jaeger::endpoint$`), "%s"},
	{"elasticsearch", regexp.MustCompile(`^exporters::elastic(/[^:]+)?::endpoints$`), "%s"},
}

// all returns what was announced and, for what nobody announced, what the
// configuration says.
func (p *places) all(e *effective) []place {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []place
	for _, k := range known {
		before := len(found)
		for _, a := range p.announced {
			if a.what == k.what {
				found = append(found, a)
			}
		}
		if len(found) > before {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(e.values)) {
			parts := strings.SplitN(key, "::", 3)
			if value := e.values[key]; k.key.MatchString(key) && e.used[parts[0]+"::"+parts[1]] && value != "" && !strings.HasSuffix(value, ":0") {
				found = append(found, place{what: k.what, where: fmt.Sprintf(k.format, shown(k.what, value))})
			}
		}
	}
	for _, a := range p.announced {
		if !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	return found
}

// shown returns a configured value for people, without passwords.
func shown(what, value string) string {
	switch what {
	case "log":
		if value == "-" {
			return "standard output"
		}
		return value
	case "elasticsearch":
		nodes := strings.Fields(value)
		for i, node := range nodes {
			nodes[i] = redact.Address(node)
		}
		return strings.Join(nodes, ", ")
	}
	return redact.Address(value)
}

// welcome prints where things are and the line to paste into a shell.
func welcome(w io.Writer, version string, all []place) {
	var text strings.Builder // one write, so nobody reads half of it
	fmt.Fprintf(&text, "modtap %s is running\n", version)
	width := 8
	for _, p := range all {
		width = max(width, len(p.what))
	}
	for _, p := range all {
		note := ""
		if p.note != "" {
			note = "   (" + p.note + ")"
		}
		fmt.Fprintf(&text, "  %-*s %s%s\n", width, p.what, p.where, note)
	}
	if i := slices.IndexFunc(all, func(p place) bool { return p.what == "proxy" }); i >= 0 {
		fmt.Fprintf(&text, "Use it:    export GOPROXY=%s\n", reachable(all[i].where))
	}
	_, _ = io.WriteString(w, text.String()) // a standard error that is gone is said in /healthy
}

// reachable replaces the unspecified address, on which a listener takes all
// connections but which no client should call, by the loopback one.
func reachable(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil && unspecified(host) {
		u.Host = net.JoinHostPort("127.0.0.1", port)
	}
	return u.String()
}
