// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"slices"

	"github.com/modtap/modtap/internal/session"
)

// table is every attribute of spans, documents and metrics, by name. A fact that is to be
// seen somewhere is one more line here; the index template, the reference and what is
// emitted follow it.
var table = slices.Concat(httpAttributes, clientAttributes, resourceAttributes, documentAttributes, exchangeAttributes, upstreamAttributes, phaseAttributes(), sessionAttributes, metricAttributes)

// Attributes returns the table.
func Attributes() []Attribute { return slices.Clone(table) }

// onExchange is the source of what an exchange's span and its document have alike.
func onExchange(of func(*Told) value) sources { return sources{server: of, document: of} }

func (s sources) onAttempt(of func(*attempt) value) sources {
	s.client = of
	return s
}

func (s sources) inUpstream(of func(*attempt) value) sources {
	s.upstream = of
	return s
}

func (s sources) onSession(of func(*session.Closed) value) sources {
	s.session = of
	return s
}

var resourceAttributes = []Attribute{
	{
		Name: attrServiceName, Type: String, Meaning: "The observed proxy.",
		from: sources{resource: func(r *Resource) value { return required(r.ServiceName) }},
	},
	{
		Name: attrInstance, Type: String, Meaning: "Id of the observing Modtap; it stays the same across restarts.",
		from: sources{resource: func(r *Resource) value { return required(r.InstanceID) }},
	},
	{
		Name: attrEnvironment, Type: String, Meaning: "Where the proxy is deployed, such as `production`.",
		from: sources{resource: func(r *Resource) value { return text(r.Environment) }},
	},
}

// metricAttributes are those that only metrics have.
var metricAttributes = []Attribute{
	{Name: attrClientName, Type: String, Meaning: "Who asks: a client's name or address, one of the heaviest, else `_other`."},
	{Name: attrListener, Type: String, Meaning: "`ingress` or `egress`."},
	{Name: attrCircuitState, Type: String, Meaning: "State of an upstream's circuit breaker: `closed`, `half_open` or `open`."},
	{Name: attrToolchainVersion, Type: String, Meaning: "Version of the Go toolchain, else `_other`."},
	{Name: attrToolchainOS, Type: String, Meaning: "Operating system of the toolchain, from go's list, else `_other`."},
	{Name: attrToolchainArch, Type: String, Meaning: "Architecture of the toolchain, from go's list, else `_other`."},
}
