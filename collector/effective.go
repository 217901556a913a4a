// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/confmap"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
)

// effective is the configuration as it took effect: merged, with every
// reference resolved. It is a confmap.Converter that changes nothing; it reads
// the configuration to check the listeners and to know which key an address
// came from.
type effective struct {
	mu     sync.Mutex
	values map[string]string // by key; a list's items are parted by a space
	used   map[string]bool   // receivers::goproxy, if a pipeline has it
}

var _ confmap.Converter = (*effective)(nil)

func converter(c confmap.Converter) confmap.ConverterFactory {
	return confmap.NewConverterFactory(func(confmap.ConverterSettings) confmap.Converter { return c })
}

// Convert reads conf. It returns a [*config.Error] for a listener's address
// that can't be one, and for two listeners on one port.
func (e *effective) Convert(_ context.Context, conf *confmap.Conf) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.values, e.used = make(map[string]string), make(map[string]bool)
	for _, key := range conf.AllKeys() {
		value := conf.Get(key)
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		words := make([]string, len(list))
		for i, item := range list {
			words[i] = fmt.Sprint(item)
		}
		e.values[key] = strings.Join(words, " ")
		if parts := strings.Split(key, "::"); isList && parts[0] == "service" {
			// service::extensions, service::pipelines::traces::receivers.
			for _, id := range words {
				e.used[parts[len(parts)-1]+"::"+id] = true
			}
		}
	}
	return e.checkListeners()
}

// listenerKey names the keys at which components that we ship take the address to listen on.
var listenerKey = regexp.MustCompile(`^(receivers::goproxy(/[^:]+)?::(ingress|egress)|receivers::otlp(/[^:]+)?::protocols::(grpc|http)|` +
	`exporters::prometheus(/[^:]+)?|extensions::health(_check)?(/[^:]+)?)::endpoint$`)

func (e *effective) listeners() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(e.values)), func(key string) bool {
		parts := strings.SplitN(key, "::", 3)
		if !listenerKey.MatchString(key) || !e.used[parts[0]+"::"+parts[1]] {
			return true
		}
		if strings.HasSuffix(key, "::egress::endpoint") && e.values[key] == "" {
			return true // it is off
		}
		transport, ok := e.values[strings.TrimSuffix(key, "endpoint")+"transport"]
		return ok && !strings.HasPrefix(transport, "tcp")
	})
}

func (e *effective) checkListeners() error {
	keys := e.listeners()
	for i, key := range keys {
		address := e.values[key]
		host, port, err := splitAddress(address)
		if err != nil {
			fault := &config.Error{
				Key:    e.label(key),
				Reason: fmt.Sprintf("%q isn't an address to listen on", redact.Address(address)),
				Cure:   "write HOST:PORT, 127.0.0.1:8081 for one",
			}
			if strings.Contains(address, "://") {
				fault.Reason, fault.Cure = "is a URL, not an address to listen on", fault.Cure+", without scheme and path"
			}
			return fault
		}
		for _, other := range keys[:i] {
			otherHost, otherPort, err := splitAddress(e.values[other])
			if err == nil && port == otherPort && port != 0 && overlap(host, otherHost) {
				return &config.Error{
					Key:    e.label(key),
					Reason: fmt.Sprintf("address %s is also that of %s", address, e.label(other)),
					Cure:   "give each listener a port of its own",
				}
			}
		}
	}
	return nil
}

// label returns the key with the variable that set it, if one did.
func (e *effective) label(key string) string {
	if variable := config.Origin(key, e.values[key]); variable != "" {
		return key + " (" + variable + ")"
	}
	return key
}

// listener returns the key of the listener with a host and port, and its address, ""
// if there is none or more than one.
func (e *effective) listener(is func(host string, port int) bool) (key, address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range e.listeners() {
		if host, port, err := splitAddress(e.values[k]); err == nil && is(host, port) {
			if key != "" {
				return "", ""
			}
			key, address = k, e.values[k]
		}
	}
	return key, address
}

// addresses returns where the listeners listen, by their keys.
func (e *effective) addresses() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]string)
	for _, key := range e.listeners() {
		all[key] = e.values[key]
	}
	return all
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if strings.ContainsAny(host, "/@, ") {
		err = errors.New("no host")
	}
	return host, int(number), err
}

// overlap reports whether two hosts can't both listen on one port.
func overlap(a, b string) bool {
	return a == b || unspecified(a) || unspecified(b) || (netaddr.IsLoopback(a) && netaddr.IsLoopback(b) && (a == "localhost" || b == "localhost"))
}

// unspecified tells whether a listener at host is reached by every address.
func unspecified(host string) bool { return host == "" || netaddr.IsUnspecified(host) }
