// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/goproxy"
)

func TestComplete(t *testing.T) {
	b := fullBegin()
	ours := b.Span.Child(SpanID{9})
	others := Span{TraceID: TraceID{2}, SpanID: SpanID{9}, ParentID: SpanID{4}}
	lookup := goproxy.Parse("/sumdb/sum.golang.org/lookup/github.com/pkg/errors@v0.9.1")
	for name, tt := range map[string]struct {
		recorded Attempt
		span     Span
		asks     goproxy.Request
	}{
		"of an older Modtap, which left out what is the exchange's": {Attempt{Span: Span{SpanID: SpanID{9}}, URL: "https://proxy.example" + b.Path}, ours, b.Request},
		"of its own":                         {Attempt{Span: ours, URL: "https://proxy.example/go" + b.Path}, ours, goproxy.Parse("/go" + b.Path)},
		"sent for another that waited first": {Attempt{Span: others, URL: "https://proxy.example" + b.Path}, others, b.Request},
		"a checksum":                         {Attempt{Span: ours, URL: "https://proxy.example/sumdb/sum.golang.org/lookup/github.com/pkg/errors@v0.9.1"}, ours, lookup},
		"an escaped path":                    {Attempt{Span: ours, URL: "https://proxy.example/github.com/%21burnt%21sushi/toml/@v/list"}, ours, goproxy.Parse("/github.com/!burnt!sushi/toml/@v/list")},
		"redirected to what is no path of the protocol": {Attempt{Span: ours, URL: "https://cdn.example/0123"}, ours, goproxy.Request{}},
		"of version control, which has no URL":          {Attempt{Span: ours, URL: "direct:github.com/pkg/errors/@v/v0.9.1.mod", Direct: true}, ours, b.Request},
		"of a URL that was cut where it can't be read":  {Attempt{Span: ours, URL: "https://proxy.example/%"}, ours, b.Request},
	} {
		e := &End{Attempts: []Attempt{tt.recorded}}
		e.Complete(b)
		assert.Equal(t, tt.span, e.Attempts[0].Span, name)
		assert.Equal(t, tt.asks, e.Attempts[0].Request, name)
	}
	assert.Equal(t, b.Span.SpanID, ours.ParentID)
	assert.Equal(t, b.Span.State, ours.State)
}
