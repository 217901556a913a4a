// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// client keeps no connection, so that no goroutine is left when a test looks for leaks, and ignores proxy settings.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// fetch sends a request, as JSON when it has a body, and returns the answer's body. A status of 300 or above is an error.
func fetch(ctx context.Context, method, url, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %.500s", method, url, response.Status, answer)
	}
	return answer, nil
}

// ask fetches and decodes JSON into answer, unless that is nil; a failure ends the test.
func ask(tb testing.TB, method, url string, answer any) {
	tb.Helper()
	raw, err := fetch(tb.Context(), method, url, "")
	if err == nil && answer != nil {
		err = json.Unmarshal(raw, answer)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// answers is ready when a GET is answered with success.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := fetch(ctx, http.MethodGet, url, "")
		return err
	}
}

// accepts is ready when a connection can be made, for servers without a health URL of their own.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}
