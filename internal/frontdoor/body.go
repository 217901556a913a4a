// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package frontdoor

import (
	"net/http"
	"time"
)

// LeaveBody lets a request's body be where it is: the connection ends with the
// answer, and the server, which reads on for a clean end, doesn't wait long for what
// may never come. Where a length stood beside a Transfer-Encoding, what follows may
// be smuggled anyway (RFC 9112, section 6.1).
func LeaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	if r.ProtoMajor == 1 { // in HTTP/2 only the stream ends
		w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyGrace)) // not supported: nothing waits either
}

// bodyGrace is how long the rest of a body that nobody reads may take.
const bodyGrace = 250 * time.Millisecond
