// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/phase"
)

// askDirect fetches the file that r asks for from version control.
func (c *Client) askDirect(ctx context.Context, r Request, accept func(*Answer) error) step {
	clock, file := phase.FromContext(ctx), r.File()
	began, start := clock.Now(), time.Now()
	at := exchange.Attempt{
		Start:   began,
		Span:    r.Ledger.inject(make(http.Header)),
		Method:  http.MethodGet,
		URL:     "direct:" + file,
		Address: "direct", // The host is one that the request names: too many values.
		Direct:  true,
	}
	record := func(reason string) {
		at.Reason = reason
		r.Ledger.add(at)
	}
	waits := clock.Enter(exchange.PhaseUpstream)
	files, err := c.direct.Fetch(ctx, file)
	waits.Leave()
	at.Duration = time.Since(start)
	word := Word
	if err == nil {
		err, word = acceptFiles(files, file, &at, accept), refusal
	} else {
		err = cause(ctx, err)
	}
	var stop *stopError
	var denied *directDenied
	switch {
	case err == nil:
		return step{record: record}
	case errors.As(err, &denied):
		at.Error = denied.ErrorType()
		return step{failed: &Error{Element: "direct", Code: denied.code, Detail: denied.text}, record: record}
	case errors.As(err, &stop):
		at.Error = word(stop.err)
		return step{stop: stop.err, record: record}
	case errors.Is(err, fs.ErrNotExist):
		at.Error = exchange.ErrorNotFound
	default:
		at.Error = word(err)
	}
	return step{failed: &Error{Element: "direct", Word: at.Error, Err: err}, record: record}
}

func acceptFiles(files map[string]io.ReadSeekCloser, file string, at *exchange.Attempt, accept func(*Answer) error) error {
	defer func() {
		for _, f := range files {
			_ = f.Close() // Read only.
		}
	}()
	content := files[file]
	if content == nil {
		return errNotFound("version control has no " + file)
	}
	size, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return Stop(err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return Stop(err)
	}
	at.BodySize = size
	siblings := make(map[string]io.ReadSeekCloser, len(files)-1)
	for name, f := range files {
		if name != file {
			siblings[name] = f
		}
	}
	return accept(&Answer{
		Response: &http.Response{
			Status: "200 OK", StatusCode: http.StatusOK,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: make(http.Header), Body: io.NopCloser(content), ContentLength: size,
		},
		Siblings: siblings,
	})
}
