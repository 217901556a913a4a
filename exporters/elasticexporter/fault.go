// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"net/http"
	"slices"
	"strings"

	"github.com/olivere/elastic/v7"
)

// Whose fault an error is decides what becomes of the document. Only what is listed here is the document's own, so that it
// would be refused again by a cluster in order. All else is the cluster's, or its owner's: shards are full, the disk is, an
// index is closed, credentials are refused, something between answers in its place. Such a document is sent again, for as long
// as it takes. The types are names of exception classes of Elasticsearch and OpenSearch, in the form of
// ElasticsearchException.getExceptionName.

// documentErrors are the types that say it of the document by themselves.
var documentErrors = []string{
	"mapper_parsing_exception",         // a value that isn't of the field's type
	"document_parsing_exception",       // the same, since Elasticsearch 8.8
	"strict_dynamic_mapping_exception", // a field that a strict mapping doesn't have
	"mapper_exception",
	"parse_exception", "parsing_exception", // no JSON of the form that is wanted
	"x_content_parse_exception", "x_content_e_o_f_exception",
	"json_parse_exception", "json_e_o_f_exception", "input_coercion_exception", "stream_constraints_exception",
	"number_format_exception", "date_time_parse_exception",
	"not_x_content_exception",
	"max_bytes_length_exceeded_exception", // a keyword above 32766 bytes, of Lucene
	"action_request_validation_exception", // an id above 512 bytes
}

// documentReasons tell the document's faults from the index's where the type is illegal_argument_exception, which stands
// for both: the first word about what is in the document.
var documentReasons = []string{"field", "mapper [", "mapping [", "mapping depth", "immense term", "document contains", "id is too long", "object mapping"}

// clusterReasons are those of illegal_argument_exception that speak of a field, or of a document, and mean the index.
var clusterReasons = []string{"pipeline with id", "write index", "template"}

// tooLarge is the size in bytes from which a document can be too large: Elasticsearch takes requests of 100 MB by default
// (http.max_content_length), and what stands before it 1 MB and more. What refuses one of the usual size takes none at all: that is
// the fault of what stands there.
const tooLarge = 8 << 10

// isDocuments tells whether an item's status and error are the fault of the document, whose size in bytes is given.
func isDocuments(it *item, size int) bool {
	if it.Status == http.StatusRequestEntityTooLarge {
		return size >= tooLarge // Alone in its request: see divide.
	}
	return it.Status == http.StatusBadRequest && it.Error != nil && isOfDocument(it.Error)
}

func isOfDocument(e *elastic.ErrorDetails) bool {
	if slices.Contains(documentErrors, e.Type) {
		return true
	}
	if e.Type != "illegal_argument_exception" {
		return false
	}
	reason := strings.ToLower(e.Reason)
	about := func(part string) bool { return strings.Contains(reason, part) }
	return slices.ContainsFunc(documentReasons, about) && !slices.ContainsFunc(clusterReasons, about)
}

// isDivisible tells whether a request that was refused as a whole may be taken in parts: it is above the server's
// http.max_content_length, or one document in it spoils it.
func isDivisible(err error) bool {
	details := detailsOf(err)
	switch statusOf(err) {
	case http.StatusRequestEntityTooLarge:
		return true
	case http.StatusBadRequest:
		return isOfDocument(details) || details.Type == "illegal_argument_exception"
	}
	return false
}
