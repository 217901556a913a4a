// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

var httpAttributes = []Attribute{
	{
		Name: attrMethod, Type: String, Meaning: "Method of the request: as it was sent in documents, `_OTHER` for what isn't a standard one elsewhere.",
		from: sources{
			document: func(t *Told) value { return required(t.Begin.Method) },
			server:   func(t *Told) value { known, _ := method(t.Begin.Method); return required(known) },
			client:   func(a *attempt) value { known, _ := method(a.Method); return required(known) },
		},
	},
	{
		Name: attrMethodOriginal, Type: String, Meaning: "Method as it was sent, where `http.request.method` is `_OTHER`.",
		from: sources{
			server: func(t *Told) value { _, original := method(t.Begin.Method); return text(original) },
			client: func(a *attempt) value { _, original := method(a.Method); return text(original) },
		},
	},
	{
		Name: attrResend, Type: Int, Meaning: "How many times the same request to an upstream was sent before.",
		from: sources{}.onAttempt(func(a *attempt) value { return positive(int64(a.Resend)) }),
	},
	{
		Name: attrBodyBytes, Type: Int, Unit: "By", Meaning: "Body bytes that the client was sent: `http.response.body.size` by its name in ECS.",
		from: sources{document: func(t *Told) value { return number(t.End.BodySize) }},
	},
	{
		Name: attrBodySize, Type: Int, Unit: "By", Meaning: "Body bytes that were sent, or received from an upstream.",
		from: sources{server: func(t *Told) value { return number(t.End.BodySize) }}.
			onAttempt(func(a *attempt) value { return positive(a.BodySize) }),
	},
	{
		Name: attrStatus, Type: Int, Meaning: "Status code of the answer; absent if there was none.",
		from: onExchange(func(t *Told) value { return positive(int64(t.End.Status)) }).
			onAttempt(func(a *attempt) value { return positive(int64(a.Status)) }),
	},
	{
		Name: attrRoute, Type: String, Meaning: "The path's form in the GOPROXY protocol, such as `/{module}/@v/list`.",
		from: sources{server: func(t *Told) value { return text(t.Request.Route()) }},
	},
	{
		Name: attrPath, Type: String, Meaning: "Path of the request, without what looks like a credential.",
		from: onExchange(func(t *Told) value { return required(t.Begin.Path) }),
	},
	{
		Name: attrScheme, Type: String, Meaning: "`http` or `https`.",
		from: onExchange(func(t *Told) value { return required(t.Begin.Scheme) }),
	},
	{
		Name: attrURL, Type: String, Meaning: "URL that an upstream was asked for, without user and query.",
		from: sources{}.onAttempt(func(a *attempt) value { return text(a.URL) }),
	},
	{
		Name: attrTemplate, Type: String, Meaning: "Form of the path in `url.full`, as in `http.route`.",
		from: sources{client: func(a *attempt) value { return text(a.Request.Route()) }},
	},
	{
		Name: attrServerAddress, Type: String, Meaning: "Host that the request was sent to: the proxy's own, or an upstream's.",
		from: onExchange(func(t *Told) value { return text(t.Begin.ServerAddress) }).
			onAttempt(func(a *attempt) value { return text(a.Address) }),
	},
	{
		Name: attrServerPort, Type: Int, Meaning: "Port of `server.address`.",
		from: onExchange(func(t *Told) value { return positive(int64(t.Begin.ServerPort)) }).
			onAttempt(func(a *attempt) value { return positive(int64(a.Port)) }),
	},
	{
		Name: attrProtocolVersion, Type: String, Meaning: "HTTP version of the request: `1.0`, `1.1` or `2`.",
		from: onExchange(func(t *Told) value { return text(t.Begin.Protocol) }),
	},
	{
		Name: attrErrorType, Type: String, Meaning: "What went wrong: a word, or a status code. Absent: nothing did.",
		from: onExchange(func(t *Told) value { return text(t.Verdict.ErrorType) }).
			onAttempt(func(a *attempt) value { return text(attemptError(a.Attempt)) }),
	},
}
