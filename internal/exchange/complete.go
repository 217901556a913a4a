// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"net/url"

	"github.com/modtap/modtap/internal/goproxy"
)

// Child returns the span with that id under s, in the same trace.
func (s Span) Child(id SpanID) Span {
	s.ParentID, s.SpanID = s.SpanID, id
	return s
}

// Complete sets what of the attempts isn't recorded, as it follows from b, where the
// exchange began, and from what is.
func (e *End) Complete(b *Begin) {
	for i := range e.Attempts {
		a := &e.Attempts[i]
		if a.Span.IsZero() {
			a.Span = b.Span.Child(a.Span.SpanID)
		}
		a.Request = b.Request
		if u, err := url.Parse(a.URL); err == nil && u.Path != "" {
			a.Request = goproxy.Parse(u.Path)
		}
	}
}
