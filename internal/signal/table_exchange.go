// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"encoding/hex"

	"github.com/modtap/modtap/internal/exchange"
)

var exchangeAttributes = []Attribute{
	{
		Name: AttrEventID, Type: String, Meaning: "Id of the request in every backend, and of its document. It rises in the order of export.",
		from: sources{document: func(t *Told) value { return required(t.EventID) }},
	},
	{
		Name: attrEventDuration, Type: Int, Unit: "ns", Meaning: "From the arrival of the request's header to the last byte of the answer.",
		from: sources{document: func(t *Told) value { return number(int64(t.elapsed())) }},
	},
	{
		Name: attrEventOutcome, Type: String, Meaning: "`success`, `failure`, or `unknown` where the client left first. That a module isn't there is no failure.",
		from: sources{document: func(t *Told) value { return required(eventOutcome(t.Verdict.Outcome)) }},
	},
	{
		Name: attrEventAction, Type: String, Meaning: "`goproxy.operation` by its name in ECS.",
		from: sources{document: func(t *Told) value { return required(t.Request.Operation.String()) }},
	},
	{
		Name: attrSide, Type: String, Meaning: "`ingress` is from a client to the proxy, `egress` from the proxy to an upstream.",
		from: onExchange(func(t *Told) value { return required(t.Begin.Side.String()) }).
			onAttempt(func(a *attempt) value { return required(a.told.hop()) }),
	},
	{
		Name: attrOperation, Type: String, Meaning: "What is asked for: `list`, `latest`, `info`, `mod`, `zip`, `query`, `sumdb` or `other`.",
		from: onExchange(func(t *Told) value { return required(t.Request.Operation.String()) }).
			onAttempt(func(a *attempt) value { return required(a.Request.Operation.String()) }),
	},
	{
		Name: attrModulePath, Type: String, Meaning: "Path of the module, unescaped.",
		from: onExchange(func(t *Told) value { return text(t.Request.Module) }).
			onAttempt(func(a *attempt) value { return text(a.Request.Module) }),
	},
	{
		Name: attrModuleVersion, Type: String, Meaning: "Version of the module, unescaped.",
		from: onExchange(func(t *Told) value { return text(t.Request.Version) }).
			onAttempt(func(a *attempt) value { return text(a.Request.Version) }),
	},
	{
		Name: attrModuleAge, Type: Int, Unit: "ns", Meaning: "How old the version was when its .info was asked for.",
		from: sources{document: moduleAge},
	},
	{
		Name: attrPathPrefix, Type: String, Meaning: "What stands before the module in the path, such as `/api/go/name`.",
		from: onExchange(func(t *Told) value { return text(t.Request.Prefix) }),
	},
	{
		Name: attrCacheResult, Type: String, Meaning: "`hit`, `miss`, `stale`, `revalidated`, `coalesced`, `bypass` or `unknown`.",
		from: onExchange(func(t *Told) value { return text(string(t.Verdict.Result)) }),
	},
	{
		Name: attrCacheEvidence, Type: String, Meaning: "What the result rests on: `embedded`, `egress` or `header`.",
		from: onExchange(func(t *Told) value { return text(string(t.Verdict.Evidence)) }),
	},
	{
		Name: attrMissReason, Type: String, Meaning: "Why it was a miss: `cold`, `expired`, `evicted` or `not_cacheable`.",
		from: onExchange(func(t *Told) value { return text(t.Verdict.MissReason) }),
	},
	{
		Name: attrOutcome, Type: String, Meaning: "How the request ended: `ok`, `not_found`, `timeout` and so on; `fall_through` on an attempt after which the next element was asked.",
		from: onExchange(func(t *Told) value { return required(string(t.Verdict.Outcome)) }).
			onAttempt(func(a *attempt) value {
				if a.Reason == "" || a.Status != 404 && a.Status != 410 {
					return value{}
				}
				return text(fallThrough)
			}),
	},
	{
		Name: attrLeakPattern, Type: String, Meaning: "Pattern of the private module that a public upstream was asked for, or would have been.",
		from: onExchange(func(t *Told) value { return text(t.End.Leak) }),
	},
	{
		Name: attrResumes, Type: String, Meaning: "Span id of the request whose download this one continues.",
		from: onExchange(func(t *Told) value {
			if t.Verdict.Resumes.IsZero() {
				return value{}
			}
			return text(hex.EncodeToString(t.Verdict.Resumes.SpanID[:]))
		}),
	},
}

// upstreamAttributes are those of attempts alone.
var upstreamAttributes = []Attribute{
	{
		Name: attrUpstream + ".address", Type: String, Meaning: "Host of the upstream.",
		from: sources{}.inUpstream(func(a *attempt) value { return text(a.Address) }),
	},
	{
		Name: attrUpstream + ".url", Type: String, Meaning: "URL that it was asked for, without user and query.",
		from: sources{}.inUpstream(func(a *attempt) value { return text(a.URL) }),
	},
	{
		Name: attrUpstream + ".status", Type: Int, Meaning: "Status code of its answer.",
		from: sources{}.inUpstream(func(a *attempt) value { return positive(int64(a.Status)) }),
	},
	{
		Name: attrUpstream + ".duration", Type: Int, Unit: "ns", Meaning: "Until the answer's body was read, or the error.",
		from: sources{}.inUpstream(func(a *attempt) value { return number(int64(a.Duration)) }),
	},
	{
		Name: attrUpstream + ".first_byte", Type: Int, Unit: "ns", Meaning: "Until the answer's header.",
		from: sources{}.inUpstream(func(a *attempt) value { return positive(int64(a.FirstByte)) }),
	},
	{
		Name: attrUpstream + ".bytes", Type: Int, Unit: "By", Meaning: "Body bytes received.",
		from: sources{}.inUpstream(func(a *attempt) value { return number(a.BodySize) }),
	},
	{
		Name: attrUpstream + ".error", Type: String, Meaning: "Why there is no answer, or a broken one.",
		from: sources{}.inUpstream(func(a *attempt) value { return text(a.Error) }),
	},
	{
		Name: attrUpstreamReason, Type: String, Meaning: "Why the next element of the GOPROXY list was asked: `not_found`, `gone`, `error` and so on.",
		from: sources{}.inUpstream(upstreamReason).onAttempt(upstreamReason),
	},
	{
		Name: attrUpstreamDirect, Type: Bool, Meaning: "`true`: the go command fetched from version control; there was no HTTP request.",
		from: sources{}.onAttempt(func(a *attempt) value { return flag(a.Direct) }),
	},
}

func upstreamReason(a *attempt) value { return text(a.Reason) }

// phaseAttributes are one a phase in the document, and those of a phase's span.
func phaseAttributes() []Attribute {
	all := []Attribute{
		{
			Name: attrFirstByte, Type: Int, Unit: "ns", Meaning: "Until the answer's header was sent; of requests of at least 1 ms.",
			from: sources{document: func(t *Told) value {
				if !t.explained() {
					return value{}
				}
				return positive(int64(t.firstByte()))
			}},
		},
		{
			Name: attrPhaseName, Type: String, Meaning: "Name of the phase.",
			from: sources{phase: func(p *exchange.Part) value { return required(p.Phase.String()) }},
		},
		{
			Name: attrPhaseDuration, Type: Int, Unit: "ns", Meaning: "Time that only this phase explains.",
			from: sources{phase: func(p *exchange.Part) value { return number(int64(p.Duration)) }},
		},
	}
	for p := range exchange.Phases {
		all = append(all, Attribute{
			Name: attrPhase + "." + p.String() + ".duration", Type: Int, Unit: "ns",
			Meaning: "Time of the phase `" + p.String() + "`; of requests of at least 1 ms, if it is at least a thousandth.",
			from:    sources{part: func(p *exchange.Part) value { return number(int64(p.Duration)) }},
		})
	}
	return all
}
