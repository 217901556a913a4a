// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
)

var client = exchange.Span{TraceID: exchange.TraceID{15: 1}, SpanID: exchange.SpanID{7: 2}, State: "a=b"}

func TestContinue(t *testing.T) {
	span := Continue(client)
	assert.Equal(t, client.TraceID, span.TraceID)
	assert.Equal(t, client.SpanID, span.ParentID)
	assert.NotEqual(t, client.SpanID, span.SpanID)
	assert.Equal(t, byte(0), span.Flags, "the client's decision on sampling travels on")
	assert.Equal(t, "a=b", span.State)

	alone, other := Continue(exchange.Span{}), Continue(exchange.Span{})
	assert.False(t, alone.IsZero())
	assert.NotEqual(t, alone.TraceID, other.TraceID)
	assert.Zero(t, alone.ParentID)
	assert.Equal(t, byte(1), alone.Flags)
}

func TestEgressTakesTheSessionOfItsCause(t *testing.T) {
	cause := Cause{Span: client, Session: exchange.Session{ID: client.TraceID, Root: exchange.SpanID{9}}}
	span, s, id := Under(cause, exchange.Span{})
	assert.Equal(t, client.SpanID, span.ParentID)
	assert.Equal(t, cause.Session, s)
	assert.Equal(t, client.SpanID, id)

	span, s, id = Under(Cause{}, client)
	assert.Equal(t, client.SpanID, span.ParentID)
	assert.Equal(t, exchange.Session{}, s, "without a cause there is no session")
	assert.Zero(t, id)
}

func TestMark(t *testing.T) {
	for _, tt := range []struct {
		state  string
		marked bool
		rest   string
	}{
		{"", false, ""},
		{"modtap=root", true, ""},
		{"a=b, modtap=root ,c=d", true, "a=b,c=d"},
		{"xmodtap=root", false, "xmodtap=root"},
		{"modtap=rooted,a=b", false, "modtap=rooted,a=b"},
	} {
		assert.Equal(t, tt.marked, marked(tt.state), "%q", tt.state)
		assert.Equal(t, tt.rest, withoutMark(tt.state), "%q", tt.state)
	}
}
