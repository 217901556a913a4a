// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/session"
)

var clientAttributes = []Attribute{
	{
		Name: attrClientAddress, Type: String, Meaning: "The client's address, or its keyed hash, as `client_identity` says.",
		from: onExchange(func(t *Told) value { return text(t.Begin.Client.Address) }).
			onSession(func(s *session.Closed) value { return text(s.Client.Address) }),
	},
	{
		Name: attrClientPort, Type: Int, Meaning: "The client's port, where the address is its own.",
		from: onExchange(func(t *Told) value { return positive(int64(t.Begin.Client.Port)) }),
	},
	{
		Name: attrPeerAddress, Type: String, Meaning: "The other end of the connection, where that is the client itself.",
		from: sources{server: func(t *Told) value {
			if t.Begin.Client.Port == 0 {
				return value{} // a hash, or what a proxy tells
			}
			return text(t.Begin.Client.Address)
		}},
	},
	{
		Name: attrPeerPort, Type: Int, Meaning: "Port of `network.peer.address`.",
		from: sources{server: func(t *Told) value { return positive(int64(t.Begin.Client.Port)) }},
	},
	{
		Name: attrUserName, Type: String, Meaning: "Who the client says to be, or the keyed hash of that.",
		from: onExchange(func(t *Told) value { return text(t.Begin.Client.Name) }).
			onSession(func(s *session.Closed) value { return text(s.Client.Name) }),
	},
	{
		Name: attrUserAgent, Type: String, Meaning: "The User-Agent header.",
		from: onExchange(func(t *Told) value { return text(t.Begin.UserAgent) }).
			onSession(func(s *session.Closed) value { return text(s.UserAgent) }),
	},
	{
		Name: attrCISystem, Type: String, Meaning: "The CI system that the client runs in: `gitlab`, `github`, `jenkins`, `buildkite` or `generic`.",
		from: ofCI(func(ci *exchange.CI) string { return ci.System }),
	},
	{
		Name: attrPipeline, Type: String, Meaning: "Name of the CI pipeline.",
		from: ofCI(func(ci *exchange.CI) string { return ci.Pipeline }),
	},
	{
		Name: attrPipelineRun, Type: String, Meaning: "Id of the pipeline's run.",
		from: ofCI(func(ci *exchange.CI) string { return ci.PipelineRun }),
	},
	{
		Name: attrPipelineURL, Type: String, Meaning: "Page of the pipeline's run.",
		from: ofCI(func(ci *exchange.CI) string { return ci.PipelineURL }),
	},
	{
		Name: attrJob, Type: String, Meaning: "Name of the job in the pipeline.",
		from: ofCI(func(ci *exchange.CI) string { return ci.Job }),
	},
	{
		Name: attrJobRun, Type: String, Meaning: "Id of the job's run.",
		from: ofCI(func(ci *exchange.CI) string { return ci.JobRun }),
	},
	{
		Name: attrJobURL, Type: String, Meaning: "Page of the job's run.",
		from: ofCI(func(ci *exchange.CI) string { return ci.JobURL }),
	},
}

// ofCI is the source of a fact of the job that a client runs in; without a system there
// is none.
func ofCI(of func(*exchange.CI) string) sources {
	get := func(ci *exchange.CI) value {
		if ci.System == "" {
			return value{}
		}
		return text(of(ci))
	}
	return sources{document: func(t *Told) value { return get(&t.Begin.CI) }}.
		onSession(func(s *session.Closed) value { return get(&s.CI) })
}

var sessionAttributes = []Attribute{
	{
		Name: attrSession, Type: String, Meaning: "Id of the build session: that of its trace.",
		from: onExchange(func(t *Told) value { return sessionID(t.Begin.Session) }).
			onSession(func(s *session.Closed) value { return sessionID(s.Session) }),
	},
	{
		Name: attrInferred, Type: Bool, Meaning: "`true` where no trace context of the client named the session, `false` where one did.",
		from: onExchange(func(t *Told) value {
			if t.Begin.Session.ID == (exchange.TraceID{}) {
				return value{}
			}
			return boolean(t.Begin.Session.Inferred)
		}).
			onSession(func(s *session.Closed) value { return boolean(s.Inferred) }),
	},
	{
		Name: attrSessionRequests, Type: Int, Unit: "{request}", Meaning: "Requests of the session.",
		from: sources{}.onSession(func(s *session.Closed) value { return number(s.Requests) }),
	},
	{
		Name: attrSessionTransferred, Type: Int, Unit: "By", Meaning: "Body bytes that they were sent.",
		from: sources{}.onSession(func(s *session.Closed) value { return number(s.Bytes) }),
	},
	{
		Name: attrSessionFailures, Type: Int, Unit: "{request}", Meaning: "Requests that really failed.",
		from: sources{}.onSession(func(s *session.Closed) value { return number(s.Failures) }),
	},
	{
		Name: attrSessionHitRatio, Type: Double, Unit: "1", Meaning: "Share of .info, .mod and .zip that the cache answered; absent if nothing is known of it.",
		from: sources{}.onSession(func(s *session.Closed) value {
			if ratio, known := s.HitRatio(); known {
				return decimal(ratio)
			}
			return value{}
		}),
	},
	{
		Name: attrSessionSlowestModule, Type: String, Meaning: "Module of the slowest request.",
		from: sources{}.onSession(func(s *session.Closed) value { return text(s.SlowestModule) }),
	},
	{
		Name: attrSessionSlowestVersion, Type: String, Meaning: "Version of the slowest request.",
		from: sources{}.onSession(func(s *session.Closed) value {
			if s.SlowestModule == "" {
				return value{}
			}
			return text(s.SlowestVersion)
		}),
	},
	{
		Name: attrSessionSlowestDuration, Type: Int, Unit: "ns", Meaning: "How long the slowest request took.",
		from: sources{}.onSession(func(s *session.Closed) value {
			if s.SlowestModule == "" {
				return value{}
			}
			return number(int64(s.Slowest))
		}),
	},
}
