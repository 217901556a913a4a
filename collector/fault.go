// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/modtap/modtap/collector/config"
)

// describe returns what stopped a start as one line: the key, the reason and,
// where it is known, the cure. The collector's errors tell the path that they
// took through its code, over several lines; the path is left out.
func describe(err error, e *effective) string {
	if fault, ok := errors.AsType[*config.Error](err); ok {
		return fault.Error()
	}
	if listen, ok := errors.AsType[*net.OpError](err); ok && listen.Op == "listen" {
		if fault := listenFault(listen, e); fault != nil {
			return fault.Error()
		}
	}
	return fold(err.Error(), e)
}

// listenFault names the key of an address that can't be listened on; nil if no
// key, or more than one, has its port.
func listenFault(err *net.OpError, e *effective) *config.Error {
	key, address := "", ""
	if tcp, ok := err.Addr.(*net.TCPAddr); ok {
		key, address = e.listener(func(_ string, port int) bool { return port == tcp.Port })
	} else if name, ok := errors.AsType[*net.DNSError](err); ok { // It came to no address.
		key, address = e.listener(func(host string, _ int) bool { return host == name.Name })
	}
	if key == "" {
		return nil
	}
	set := "set it"
	if variable := config.Origin(key, address); variable != "" {
		set = "set " + variable
	}
	fault := &config.Error{Key: key, Reason: "address " + address + ": " + cause(err), Cure: set + " to another address"}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		fault.Reason = "address " + address + " already in use"
		fault.Cure = "stop what listens there or " + fault.Cure
	case errors.Is(err, os.ErrPermission):
		fault.Cure = set + " to an address with a port above 1023"
	}
	return fault
}

func cause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// A rewrite turns one of the collector's phrases into a key, or into nothing.
type rewrite struct {
	phrase *regexp.Regexp
	by     string
}

var (
	// route is the part of an error that tells where in the collector it came by.
	route = regexp.MustCompile(`(?m)^(failed to get config|cannot (unmarshal|resolve|retrieve) the configuration|cannot convert the confmap\.Conf|` +
		`invalid configuration|failed to build (pipelines|extensions)|cannot start pipelines|failed to start extensions): |` +
		`decoding failed due to the following error\(s\):\s*|^\s+|\s+$`)
	// path is how the decoder quotes the rest of a key: 'ingress.endpoint'.
	path = regexp.MustCompile(`(?m)(^|::)'([^'\n]*)' `)
	// rewrites are applied in order, each to the result of the one before.
	rewrites = []rewrite{
		{regexp.MustCompile(`\n+`), "\n"},
		{regexp.MustCompile(`'([a-z]+)' error reading configuration for "([^"]+)": `), "$1::$2::"},
		{regexp.MustCompile(`'([a-z]+)' unknown type: "[^"]*" for id: "([^"]+)" \(valid values: \[([^\]]*)\]\)`), "$1::$2: unknown type; there are $3"},
		{regexp.MustCompile(`failed to (?:start|create) "([^"]+)" (receiver|processor|exporter|connector|extension)(?: for data type "[^"]*")?: `), "${2}s::$1: "},
		{regexp.MustCompile(`failed to create extension "([^"]+)": `), "extensions::$1: "},
		{regexp.MustCompile(`has invalid keys: ([^\n]+)`), "unknown key $1; correct its spelling or remove it"},
		// Where the decoder has no key, it quotes the name of a Go type.
		{regexp.MustCompile(`'([a-z0-9]+\.[A-Z]\w*|otelcol\.configSettings)' unknown key`), "unknown key"},
		{regexp.MustCompile(`(?s)^no (receiver|exporter) configuration specified in config.*`), "the configuration has no $1; put --config modtap:base before your own --config"},
		{regexp.MustCompile(`unsupported scheme on URI "([^"]*)"`), "--config $1: unknown scheme; name a file, or modtap:base for the embedded configuration"},
	}
	// whole is a line that begins with a component and goes on with that component's own key, or with both.
	whole = regexp.MustCompile(`^([a-z]+s::[^:\s]+): ([a-z_]+(?:::[^:\s]+)*): (.*)$`)
	// keyed is a line that begins with a key.
	keyed = regexp.MustCompile(`^([a-z]+(?:::[^:\s]+)+): (.*)$`)
)

func fold(text string, e *effective) string {
	for before := ""; text != before; {
		before, text = text, route.ReplaceAllString(text, "")
	}
	for _, r := range rewrites {
		text = r.phrase.ReplaceAllString(text, r.by)
	}
	text = path.ReplaceAllStringFunc(text, func(quoted string) string {
		before, rest, _ := strings.Cut(strings.TrimSuffix(quoted, "' "), "'")
		return strings.TrimSuffix(before+strings.ReplaceAll(rest, ".", "::"), "::") + ": "
	})
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimPrefix(strings.ReplaceAll(line, "::unknown key", ": unknown key"), ": ")
		if parts := whole.FindStringSubmatch(line); parts != nil {
			component, key, reason := parts[1], parts[2], parts[3]
			if !strings.HasPrefix(key, component+"::") {
				key = component + "::" + key
			}
			line = key + ": " + reason
		}
		line = hint(line, e)
		if parts := keyed.FindStringSubmatch(line); parts != nil {
			line = e.label(parts[1]) + ": " + parts[2]
		}
		lines[i] = line
	}
	return strings.Join(lines, "; ")
}
