// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/olivere/elastic/v7"
)

// bulk is what became of one batch, document by document.
type bulk struct {
	nodes *nodes
	batch *batch

	again      []bool         // By position: to be sent again.
	retried    map[string]int // How many of them, by the type of the error.
	failed     int            // How many in all.
	reason     string         // Why the last of them.
	whole      error          // The last fault of a whole request; nil if each was answered.
	duplicates int            // Documents that were there already.
	rejected   []rejection
}

// rejection is a document that Elasticsearch will never take.
type rejection struct {
	position, status int
	kind, reason     string
}

func newBulk(n *nodes, documents *batch) *bulk {
	return &bulk{nodes: n, batch: documents, again: make([]bool, documents.len()), retried: map[string]int{}}
}

// item is what the answer says of one document.
type item struct {
	Status int                   `json:"status"`
	Error  *elastic.ErrorDetails `json:"error"`
}

// send sends the documents from and up to, not including, to.
func (b *bulk) send(ctx context.Context, from, to int) {
	items, err := b.request(ctx, from, to)
	switch {
	case err == nil:
		for i := range items {
			b.settle(&items[i], from+i)
		}
	case isDivisible(err):
		b.divide(ctx, err, from, to)
	default:
		b.postpone(err, from, to)
	}
}

// request is one bulk request. An error is about all of its documents.
func (b *bulk) request(ctx context.Context, from, to int) ([]item, error) {
	var response *elastic.Response
	err := b.nodes.do(ctx, func(client *elastic.Client) (err error) {
		response, err = client.PerformRequest(ctx, elastic.PerformRequestOptions{
			Method: http.MethodPost,
			Path:   "/_bulk",
			// What was asked for is known, and the answer's items are in its order.
			Params:      url.Values{"filter_path": {"items.*.status,items.*.error"}},
			Body:        b.batch.part(from, to),
			ContentType: "application/x-ndjson",
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Items []struct {
			Create item `json:"create"`
		} `json:"items"`
	}
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		return nil, fmt.Errorf("answer of Elasticsearch to a bulk request: %w", err)
	}
	if len(answer.Items) != to-from {
		return nil, fmt.Errorf("answer of Elasticsearch to %d documents tells of %d", to-from, len(answer.Items))
	}
	items := make([]item, len(answer.Items))
	for i := range items {
		items[i] = answer.Items[i].Create
	}
	return items, nil
}

// divide sends the halves of a request that was refused as a whole, until what is
// left is the document that is at fault.
func (b *bulk) divide(ctx context.Context, err error, from, to int) {
	if to-from == 1 {
		b.settle(&item{Status: statusOf(err), Error: detailsOf(err)}, from)
		return
	}
	half := from + (to-from)/2
	b.send(ctx, from, half)
	if b.whole != nil { // It won't be answered either.
		b.postpone(b.whole, half, to)
		return
	}
	b.send(ctx, half, to)
}

func (b *bulk) postpone(err error, from, to int) {
	b.whole, b.reason = err, err.Error()
	b.failed += to - from
	b.retried[errorType(err)] += to - from
	for i := from; i < to; i++ {
		b.again[i] = true
	}
}

// settle decides by an item's status. 409 says that the id is there already,
// from an attempt whose answer got lost.
func (b *bulk) settle(it *item, position int) {
	switch {
	case it.Status >= 200 && it.Status < 300 && it.Error == nil:
	case it.Status == http.StatusConflict:
		b.duplicates++
	case isDocuments(it, b.batch.size(position)):
		kind, reason := describe(it.Error)
		b.rejected = append(b.rejected, rejection{position: position, status: it.Status, kind: kind, reason: reason})
	default:
		kind, reason := describe(it.Error)
		b.again[position] = true
		b.failed++
		b.retried[kind]++
		b.reason = kind + ": " + reason
	}
}

// describe tells kind and reason of an error with its innermost cause, which is
// the one that helps.
func describe(e *elastic.ErrorDetails) (kind, reason string) {
	if e == nil {
		return "unknown", "none given"
	}
	reasons := []string{e.Reason}
	for cause := e.CausedBy; cause != nil; cause, _ = cause["caused_by"].(map[string]any) {
		if text, ok := cause["reason"].(string); ok {
			reasons = append(reasons, text)
		}
	}
	reason = strings.Join(reasons, ": ")
	return e.Type, reason[:min(len(reason), maxReason)]
}

// maxReason is how much of a reason is kept, in bytes: it may quote a document.
const maxReason = 1 << 10

func statusOf(err error) int {
	if answered, ok := errors.AsType[*elastic.Error](err); ok {
		return answered.Status
	}
	return 0
}

func detailsOf(err error) *elastic.ErrorDetails {
	if answered, ok := errors.AsType[*elastic.Error](err); ok && answered.Details != nil {
		return answered.Details
	}
	return &elastic.ErrorDetails{Type: strconv.Itoa(statusOf(err)), Reason: http.StatusText(statusOf(err))}
}

// errorType is a word for a fault of a whole request: a status, timeout, or
// unreachable.
func errorType(err error) string {
	switch {
	case statusOf(err) != 0:
		return strconv.Itoa(statusOf(err))
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case isUnreachable(err):
		return "unreachable"
	default:
		return "invalid_answer"
	}
}
