// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/modtap/modtap/internal/outbound"
)

// compressFrom is the size in bytes of a request from which compressing it pays.
const compressFrom = 1 << 10

// transport gives requests their last form before they leave.
type transport struct {
	base *outbound.Transport
	gzip bool
	pool sync.Pool // Of *gzip.Writer.

	// compatible: the server is Elasticsearch 8 or later, which takes requests in
	// the form of version 7 if both headers say so.
	compatible atomic.Bool
}

func newTransport(base *outbound.Transport, compress bool) *transport {
	base.DisableCompression = !compress // Of the answers.
	return &transport{base: base, gzip: compress, pool: sync.Pool{New: func() any {
		// Most of what can be saved, for a third of the time of the default.
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil { // Can't be: the level is valid.
			panic(err)
		}
		return w
	}}}
}

var _ http.RoundTripper = (*transport)(nil)

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	compress := t.gzip && r.Body != nil && r.ContentLength >= compressFrom
	compatible := t.compatible.Load()
	if !compress && !compatible {
		return t.send(r)
	}
	r = r.Clone(r.Context()) // A RoundTripper must not change the request.
	if compatible {
		for _, name := range []string{"Accept", "Content-Type"} {
			if value := r.Header.Get(name); value != "" {
				r.Header.Set(name, compatibleType(value))
			}
		}
	}
	if compress {
		if err := t.compress(r); err != nil {
			return nil, err
		}
	}
	return t.send(r)
}

// maxAnswer bounds an answer in bytes, also once it is decompressed: it is read into memory. That to a bulk request has a few
// words for each document that was taken, some KiB for one that wasn't, and there are 512 of them.
const maxAnswer = 8 << 20

func (t *transport) send(r *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(r)
	if err != nil {
		if cure := outbound.Cure(err.Error(), r.URL); cure != "" {
			err = fmt.Errorf("%w: %s", err, cure)
		}
		return nil, err
	}
	response.Body = outbound.Limit(response.Body, maxAnswer)
	return response, nil
}

// compatibleType is a media type in the form that asks for the ways of version 7:
// https://www.elastic.co/guide/en/elasticsearch/reference/8.0/rest-api-compatibility.html
func compatibleType(media string) string {
	media, _, _ = strings.Cut(media, ";")
	if subtype, ok := strings.CutPrefix(strings.TrimSpace(media), "application/"); ok {
		return "application/vnd.elasticsearch+" + strings.TrimPrefix(subtype, "vnd.elasticsearch+") + ";compatible-with=7"
	}
	return media
}

func (t *transport) compress(r *http.Request) error {
	var small bytes.Buffer
	w := t.pool.Get().(*gzip.Writer)
	defer t.pool.Put(w)
	w.Reset(&small)
	_, err := io.Copy(w, r.Body)
	if closed := r.Body.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("compression of a request: %w", err)
	}
	body := small.Bytes()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Header.Set("Content-Encoding", "gzip")
	return nil
}
