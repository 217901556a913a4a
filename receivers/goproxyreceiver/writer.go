// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

// recordingWriter notes what is sent to the client. It changes nothing.
type recordingWriter struct {
	http.ResponseWriter
	now    func() exchange.Time
	phases *phase.Clock
	// answered is called once the status is sent; nil: nobody wants to know.
	answered func()
	patience time.Duration // with a client that takes nothing; zero: no end
	keep     bool          // the beginning of a 200's body too
	streams  bool          // HTTP/2: the client opens the window of each answer
	head     bool          // no body is sent, whatever is written

	status    int
	firstByte exchange.Time
	size      int64
	answer    []byte
	err       error // of a write: the client is gone
	renewed   time.Time
}

var (
	_ http.Flusher  = (*recordingWriter)(nil)
	_ io.ReaderFrom = (*recordingWriter)(nil)
)

// Unwrap serves [http.ResponseController].
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recordingWriter) WriteHeader(status int) {
	w.expect()
	if w.status == 0 && status >= 200 {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(p []byte) (int, error) {
	w.implicitOK()
	if w.wants() {
		w.answer = append(w.answer, p[:min(len(p), exchange.MaxAnswer-len(w.answer))]...)
	}
	defer w.phases.Enter(exchange.PhaseSend).Leave()
	w.expect()
	n, err := w.ResponseWriter.Write(p)
	w.sent(int64(n), err)
	return n, err
}

func (w *recordingWriter) sent(n int64, err error) {
	if !w.head {
		w.size += n
	}
	if err != nil {
		w.err = err
	}
}

// step is how much a client must take within its patience.
const step = 128 << 10

// ReadFrom lets the server send a file without copying it through here, step by
// step.
func (w *recordingWriter) ReadFrom(r io.Reader) (total int64, err error) {
	w.implicitOK()
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok || w.wants() {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	defer w.phases.Enter(exchange.PhaseSend).Leave()
	limited, ok := r.(*io.LimitedReader) // one in another hides the file
	if !ok {
		limited = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for limited.N > 0 {
		w.expect()
		part := io.LimitedReader{R: limited.R, N: min(step, limited.N)}
		want := part.N
		n, err := to.ReadFrom(&part)
		w.sent(n, err)
		total += n
		limited.N -= n
		if err != nil || n < want {
			return total, err
		}
	}
	return total, nil
}

// expect renews the deadline of the next write. It does so now and then: for each
// write it would cost more than a small one.
func (w *recordingWriter) expect() {
	if w.patience <= 0 {
		return
	}
	if now := time.Now(); now.Sub(w.renewed) > w.patience/4 {
		w.renewed = now
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(w.patience + w.patience/4))
	}
}

// Flush implements [http.Flusher].
func (w *recordingWriter) Flush() {
	w.implicitOK()
	defer w.phases.Enter(exchange.PhaseSend).Leave()
	w.expect()
	err := http.NewResponseController(w.ResponseWriter).Flush()
	// What can't be flushed is sent at the end. In HTTP/2 an answer without a body is over
	// with its header, and to flush one that is over fails.
	if err != nil && !w.head && !errors.Is(err, http.ErrNotSupported) {
		w.err = err
	}
}

// finish notes the status of an answer without a body, which the server sends
// when the handler returns. In HTTP/2 it waits until the client has let the end of
// an answer pass, which it may never do; in HTTP/1.1 the kernel takes as much.
func (w *recordingWriter) finish() {
	w.implicitOK()
	if w.streams && w.err == nil && w.Header().Get("Content-Length") != "" {
		w.Flush()
	}
}

func (w *recordingWriter) implicitOK() {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
}

func (w *recordingWriter) begin(status int) {
	w.status, w.firstByte = status, w.now()
	if w.answered != nil {
		w.answered()
	}
}

// wants reports whether the answer's next bytes are a fact to keep: of an .info,
// and of an error's text.
func (w *recordingWriter) wants() bool {
	return len(w.answer) < exchange.MaxAnswer && (w.status >= 400 || w.keep && w.status == http.StatusOK)
}
