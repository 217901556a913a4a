// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/modtap/modtap/internal/exchange"
)

// everything are exchanges and a session that have among them a value of each attribute.
func everything() []*Told {
	return []*Told{
		tell("/api/go/x/github.com/pkg/errors/@v/v0.9.1.zip", func(b *exchange.Begin, e *exchange.End) {
			withPhases(b, e)
			b.Method, b.Client.Name, b.CI, b.Session.Inferred = "BREW", "ann", closedSession().CI, true
			e.Leak = "*.corp.example"
			for p := range exchange.Phases {
				e.Phases = append(e.Phases, exchange.Part{Phase: p, Start: b.Time, End: b.Time.Add(10 * time.Millisecond), Duration: 10 * time.Millisecond})
			}
			first := e.Attempts[0]
			first.Method, first.Status, first.Reason, first.Resend = "BREW", 404, "not_found", 1
			e.Attempts = []exchange.Attempt{first, {Direct: true, Error: "timeout", Address: "direct"}}
			e.Status, e.Error = 504, "timeout"
		}),
		tell("/github.com/pkg/errors/@v/v0.9.1.info", func(_ *exchange.Begin, e *exchange.End) {
			e.Answer = []byte(`{"Version":"v0.9.1","Time":"2020-01-01T00:00:00Z"}`)
		}),
		{Session: closedSession()},
	}
}

// TestEveryAttributeIsEmitted: each line has a value wherever it says that it has one, and
// nothing is emitted that isn't in the table.
func TestEveryAttributeIsEmitted(t *testing.T) {
	all := everything()
	all[1].Verdict.Resumes = exchange.Span{TraceID: exchange.TraceID{1}, SpanID: exchange.SpanID{5}}
	emitted := map[string]bool{}
	see := func(where string, attributes pcommon.Map) {
		for name := range attributes.All() {
			emitted[where+" "+name] = true
		}
	}
	for _, record := range Logs(resource, all).ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		see("document", record.Attributes())
		attempts, _ := record.Attributes().Get(attrUpstream)
		for _, a := range attempts.Slice().All() {
			for name := range a.Map().All() {
				emitted["upstream "+attrUpstream+"."+name] = true
			}
		}
	}
	delete(emitted, "document "+attrUpstream)
	traces := Traces(resource, all)
	observer := resource
	observer.Version, observer.Host = "v1", "h"
	see("scope", Logs(observer, all).ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes())
	see("resource", traces.ResourceSpans().At(0).Resource().Attributes())
	for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		where := span.Kind().String()
		if span.Name() == "go build session" {
			where = "Session"
		}
		see(where, span.Attributes())
	}

	declared := map[string]bool{}
	for _, a := range Attributes() {
		for where, has := range map[string]bool{
			"resource": a.from.resource != nil, "scope": a.from.scope != nil, "Server": a.from.server != nil, "document": a.from.document != nil || a.from.part != nil,
			"Client": a.from.client != nil, "upstream": a.from.upstream != nil, "Session": a.from.session != nil, "Internal": a.from.phase != nil,
		} {
			if has {
				declared[where+" "+a.Name] = true
			}
		}
	}
	for name := range declared {
		assert.True(t, emitted[name], "%s is in the table but not emitted: give it a value in everything()", name)
	}
	for name := range emitted {
		assert.True(t, declared[name], "%s is emitted but not in the table", name)
	}
}

func TestTableNamesEachAttributeOnce(t *testing.T) {
	names := map[string]bool{}
	for _, a := range Attributes() {
		assert.False(t, names[a.Name], "%s is there twice", a.Name)
		assert.NotEmpty(t, a.Meaning, a.Name)
		assert.NotZero(t, a.Type, a.Name)
		names[a.Name] = true
	}
	for _, m := range Declared() {
		for _, name := range m.Attributes {
			assert.True(t, names[name], "%s of %s isn't in the table", name, m.Name)
		}
	}
}

func TestPartsAreInTheOrderOfPhases(t *testing.T) {
	require.Len(t, partLines, int(exchange.Phases))
	for p := range exchange.Phases {
		assert.Equal(t, "goproxy.phase."+p.String()+".duration", partLines[p].name)
	}
}
