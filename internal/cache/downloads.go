// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"net/http"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

const (
	// resumeWithin is how long after it broke off a download can be resumed.
	resumeWithin = exchange.Time(10 * time.Minute)
	// maxBroken bounds the downloads that are remembered.
	maxBroken = 10_000
)

// downloads knows which transfers broke off, so that the part that a client asks
// for next (206, https://www.rfc-editor.org/rfc/rfc9110#section-14) is told as
// the same download and not as another one.
type downloads struct {
	broken map[download]brokenOff
}

// download is the digests of who downloads what: their length hangs on nobody.
type download struct{ Client, Path string }

type brokenOff struct {
	First exchange.Span // the exchange that began the download
	At    exchange.Time
}

// client returns what tells b's client from others, whatever may be told of it; what
// is told says it only for records of before there was a key.
func client(b *exchange.Begin) string {
	if b.ClientKey != (exchange.ClientKey{}) {
		return string(b.ClientKey[:])
	}
	return digest(b.Client.Address + "\x00" + b.Client.Name)
}

func newDownloads() *downloads { return &downloads{broken: make(map[download]brokenOff)} }

// judge notes whether the exchange continues a download, and whether it breaks
// off itself.
func (d *downloads) judge(b *exchange.Begin, e *exchange.End, v *Verdict) {
	key := download{client(b), digest(b.Path)}
	first := b.Span
	if e.Status == http.StatusPartialContent {
		if was, ok := d.broken[key]; ok && b.Time-was.At <= resumeWithin {
			first = was.First
			v.Resumes = first
		}
	}
	cut := e.Disposition == exchange.ClientGone || e.Disposition == exchange.UpstreamBroke
	if !cut || e.BodySize == 0 {
		delete(d.broken, key)
		return
	}
	if len(d.broken) >= maxBroken {
		d.sweep(e.Time)
	}
	d.broken[key] = brokenOff{First: first.Clone(), At: e.Time}
}

// sweep forgets what can't be resumed any more, or all if all can.
func (d *downloads) sweep(now exchange.Time) {
	for key, was := range d.broken {
		if now-was.At > resumeWithin {
			delete(d.broken, key)
		}
	}
	if len(d.broken) >= maxBroken {
		clear(d.broken)
	}
}
