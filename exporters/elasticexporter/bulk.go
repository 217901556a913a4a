// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"fmt"
	"net/http"

	"github.com/olivere/elastic/v7"
	"go.opentelemetry.io/collector/consumer/consumererror"
)

// bulk is what became of one batch.
type bulk struct {
	nodes    *nodes
	rejected func(context.Context, *elastic.BulkResponseItem) // Called for each document that is lost.

	again  []bool // By position: to be sent again.
	failed int    // How many of them.
	reason string // Why the last of them.
}

// send sends documents, the first of which has the given position in the batch.
// An error means that none of the batch is known to be taken.
func (b *bulk) send(ctx context.Context, documents []elastic.BulkableRequest, position int) error {
	var response *elastic.BulkResponse
	err := b.nodes.do(ctx, func(client *elastic.Client) (err error) {
		response, err = elastic.NewBulkService(client).
			FilterPath("items.*.status", "items.*.error", "items.*._index", "items.*._id").
			Add(documents...).
			Do(ctx)
		return err
	})
	switch {
	case elastic.IsStatusCode(err, http.StatusRequestEntityTooLarge):
		return b.sendHalves(ctx, documents, position)
	case elastic.IsStatusCode(err, http.StatusBadRequest):
		return consumererror.NewPermanent(err) // It will be no better the next time.
	case err != nil:
		return err
	case len(response.Items) != len(documents):
		return fmt.Errorf("answer of Elasticsearch to %d documents tells of %d", len(documents), len(response.Items))
	}
	for i, operations := range response.Items {
		for _, item := range operations { // There is one, create.
			b.settle(ctx, item, position+i)
		}
	}
	return nil
}

// sendHalves sends a batch that is above the server's http.max_content_length.
func (b *bulk) sendHalves(ctx context.Context, documents []elastic.BulkableRequest, position int) error {
	if len(documents) == 1 {
		b.settle(ctx, &elastic.BulkResponseItem{
			Status: http.StatusRequestEntityTooLarge,
			Error:  &elastic.ErrorDetails{Type: "content_too_long", Reason: "document larger than a request may be"},
		}, position)
		return nil
	}
	half := len(documents) / 2
	if err := b.send(ctx, documents[:half], position); err != nil {
		return err
	}
	return b.send(ctx, documents[half:], position+half)
}

// settle decides by an item's status. 409 says that the id is there already,
// from an attempt whose answer got lost.
func (b *bulk) settle(ctx context.Context, item *elastic.BulkResponseItem, position int) {
	switch {
	case item.Status < 300, item.Status == http.StatusConflict:
	case isPassing(item):
		kind, reason := describe(item)
		b.again[position] = true
		b.failed++
		b.reason = kind + ": " + reason
	default:
		b.rejected(ctx, item)
	}
}

// isPassing tells that the fault is the cluster's and not the document's: it is
// overloaded, a shard is away, or the index is blocked since the disk is full
// (403 in some versions).
func isPassing(item *elastic.BulkResponseItem) bool {
	return item.Status == http.StatusTooManyRequests || item.Status >= 500 ||
		item.Error != nil && item.Error.Type == "cluster_block_exception"
}
