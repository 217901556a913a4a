// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/olivere/elastic/v7"
)

// server is what GET / says of the cluster. The zero value is a server that
// doesn't say; it is taken for Elasticsearch 7.
type server struct {
	major      int // 0 if unknown.
	openSearch bool
}

// askServer asks what the cluster is. Credentials without the right to ask, and
// answers of another form, are no error.
func askServer(ctx context.Context, client *elastic.Client) (server, error) {
	response, err := client.PerformRequest(ctx, elastic.PerformRequestOptions{Method: http.MethodGet, Path: "/"})
	if err != nil {
		if isRefused(err) {
			return server{}, nil
		}
		return server{}, err
	}
	return parseServer(response.Body), nil
}

func parseServer(body []byte) server {
	var said struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
		Tagline string `json:"tagline"`
	}
	if json.Unmarshal(body, &said) != nil {
		return server{}
	}
	major, _, _ := strings.Cut(said.Version.Number, ".")
	number, err := strconv.Atoi(major)
	if err != nil || number < 0 {
		number = 0
	}
	return server{
		major: number,
		// OpenSearch may give itself out for 7.10.2, but never loses its tagline.
		openSearch: said.Version.Distribution == "opensearch" || strings.Contains(said.Tagline, "OpenSearch"),
	}
}

// isCompatible tells whether version 7's requests need headers that say so.
func (s server) isCompatible() bool { return s.major >= 8 && !s.openSearch }

// isRefused tells that the server answered, and will answer the same again.
func isRefused(err error) bool {
	status := statusOf(err)
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}

// isForbidden tells that what was asked for isn't this user's, as a write-only one's, or that something in between passes
// on nothing but bulk requests. Credentials that are wrong (401) are another fault: with them no document is taken either.
func isForbidden(err error) bool {
	switch statusOf(err) {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}
