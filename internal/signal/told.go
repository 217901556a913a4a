// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/session"
)

// scopeName is the instrumentation scope of everything that is told.
const scopeName = "github.com/modtap/modtap"

// Told is one settled exchange as it is told, or a build session that is over.
type Told struct {
	cache.Settled
	// Session is the session; nil: it is an exchange. All else is then unset.
	Session *session.Closed
	// EventID identifies the exchange in every backend. It rises in the order of
	// telling.
	EventID string
	// Request is what the path asks for.
	Request goproxy.Request
}

// HasSpan reports whether there is a span of t: a session has one where it is ours
// to tell.
func (t *Told) HasSpan() bool {
	if t.Session == nil {
		return true
	}
	_, ours := t.Session.RootSpan()
	return ours
}

// HasRecord reports whether there is a log record of t: a session has none.
func (t *Told) HasRecord() bool { return t.Session == nil }

// Resource is the observed proxy.
type Resource struct {
	// ServiceName is service.name.
	ServiceName string
	// InstanceID is service.instance.id; it stays the same over restarts.
	InstanceID string
	// Environment is deployment.environment.name. Empty: not told.
	Environment string
	// Version is Modtap's own, which observes: that of the scope. Empty: not told.
	Version string
	// Host is the host.name of documents. Empty: not told.
	Host string
}

var resourceLines = lines(func(s *sources) func(*Resource) value { return s.resource })

func (r Resource) put(to pcommon.Resource) { put(resourceLines, &r, to.Attributes()) }

func (r Resource) putScope(to pcommon.InstrumentationScope, name string) {
	to.SetName(name)
	to.SetVersion(r.Version)
}

// method returns the method as semconv wants it and, where that is _OTHER, as it
// was sent (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
func method(sent string) (known, original string) {
	if slices.Contains(methods[:], sent) && sent != methodOther {
		return sent, ""
	}
	return methodOther, sent
}

func timestamp(t exchange.Time) pcommon.Timestamp { return pcommon.Timestamp(t) }
