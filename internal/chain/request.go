// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"
)

func newRequest(ctx context.Context, u *url.URL, r Request) (*http.Request, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.Header)
	return req, nil
}

// acceptable tells the statuses that are an answer to a request with header h.
// To the go command, which sends no such lines, that is 200 only.
func acceptable(status int, h http.Header) bool {
	switch status {
	case http.StatusOK:
		return true
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		return h.Get("Range") != ""
	case http.StatusNotModified, http.StatusPreconditionFailed:
		for _, k := range []string{"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"} {
			if h.Get(k) != "" {
				return true
			}
		}
	}
	return false
}

// join puts file, a path of the protocol, below base as proxyRepo.getBody in
// cmd/go/internal/modfetch does: "!" becomes %21.
func join(base *url.URL, file string) *url.URL {
	u := *base
	u.Path = pathpkg.Join("/", base.Path, file)
	u.RawPath = pathpkg.Join("/", base.EscapedPath(), strings.ReplaceAll(url.PathEscape(file), "%2F", "/"))
	return &u
}
