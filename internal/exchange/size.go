// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"strings"
	"unsafe"
)

// clientSize is the most that is kept of what is told of a client. It stands for all:
// if a bound depended on what is told, so would verdicts.
const clientSize = 45 + maxShort // the longest IPv6 address

// Size is about what b takes of the memory, in bytes. What is kept in numbers is
// bounded by it: most of b is text of the client's.
func (b *Begin) Size() int64 {
	n := int(unsafe.Sizeof(*b)) + len(b.Method) + len(b.Path) + len(b.Scheme) + len(b.ServerAddress) + len(b.Protocol) +
		clientSize + len(b.UserAgent) + len(b.Span.State) + b.CI.size()
	for i := range b.Candidates {
		n += b.Candidates[i].size()
	}
	return int64(n)
}

// Size is about what e takes of the memory, in bytes.
func (e *End) Size() int64 {
	n := int(unsafe.Sizeof(*e)) + len(e.Error) + len(e.Cache.MissReason) + len(e.Cause.State) + len(e.Answer) + len(e.Leak)
	n += len(e.Phases) * int(unsafe.Sizeof(Part{}))
	for _, h := range e.Cache.Headers {
		n += int(unsafe.Sizeof(h)) + len(h.Name) + len(h.Value)
	}
	for i := range e.Attempts {
		a := &e.Attempts[i]
		n += int(unsafe.Sizeof(*a)) + len(a.Span.State) + len(a.Method) + len(a.URL) + len(a.Address) + len(a.Error) + len(a.Reason)
	}
	return int64(n)
}

func (s *Span) size() int { return int(unsafe.Sizeof(*s)) + len(s.State) }

func (c *CI) size() int {
	return len(c.System) + len(c.Pipeline) + len(c.PipelineRun) + len(c.PipelineURL) + len(c.Job) + len(c.JobRun) + len(c.JobURL)
}

// Clone returns c with copies of its texts: those of a decoded record are parts of
// it, and keep all of it alive.
func (c CI) Clone() CI {
	for _, text := range []*string{&c.System, &c.Pipeline, &c.PipelineRun, &c.PipelineURL, &c.Job, &c.JobRun, &c.JobURL} {
		*text = strings.Clone(*text)
	}
	return c
}

// Clone returns c with copies of its texts; see [CI.Clone].
func (c Client) Clone() Client {
	c.Address, c.Name = strings.Clone(c.Address), strings.Clone(c.Name)
	return c
}

// Clone returns s with a copy of its tracestate; see [CI.Clone].
func (s Span) Clone() Span {
	s.State = strings.Clone(s.State)
	return s
}
