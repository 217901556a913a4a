// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"io"
	"net/http"

	"github.com/modtap/modtap/internal/exchange"
)

// recordingWriter notes what is sent to the client. It changes nothing.
type recordingWriter struct {
	http.ResponseWriter
	now func() exchange.Time
	// answered is called once the status is sent; nil: nobody wants to know.
	answered func()
	keep     bool // the beginning of a 200's body too
	head     bool // no body is sent, whatever is written

	status    int
	firstByte exchange.Time
	size      int64
	answer    []byte
	err       error // of a write: the client is gone
}

var (
	_ http.Flusher  = (*recordingWriter)(nil)
	_ io.ReaderFrom = (*recordingWriter)(nil)
)

// Unwrap serves [http.ResponseController].
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recordingWriter) WriteHeader(status int) {
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

// ReadFrom lets the server send a file without copying it through here.
func (w *recordingWriter) ReadFrom(r io.Reader) (int64, error) {
	w.implicitOK()
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok || w.wants() {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := to.ReadFrom(r)
	w.sent(n, err)
	return n, err
}

// Flush implements [http.Flusher].
func (w *recordingWriter) Flush() {
	w.implicitOK()
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // what can't be flushed is sent at the end
		w.err = err
	}
}

// finish notes the status of an answer without a body, which the server sends
// when the handler returns.
func (w *recordingWriter) finish() { w.implicitOK() }

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
