// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// alone keeps no connection.
var alone = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	callJSON(t, http.MethodGet, url, "", "", into)
}

// callJSON asks and wants success.
func callJSON(t *testing.T, method, url, contentType, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := alone.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode, "%s %s %s: %s", method, url, body, text)
	require.NoError(t, json.Unmarshal(text, into), "%s: %s", url, text)
}
