// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// originOf serves v1.0.0 of one module by the GOPROXY protocol, fails for v1.0.2, answers to every path
// of a checksum database, and returns the address.
func originOf(tb testing.TB, module string) string {
	tb.Helper()
	const version = "v1.0.0"
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, text := range map[string]string{"go.mod": "module " + module + "\n", "doc.go": "package m\n"} {
		f, err := w.Create(module + "@" + version + "/" + name)
		require.NoError(tb, err)
		_, err = f.Write([]byte(text))
		require.NoError(tb, err)
	}
	require.NoError(tb, w.Close())
	base := "/" + module + "/@v/" + version
	served := map[string][]byte{
		base + ".info": fmt.Appendf(nil, `{"Version":%q,"Time":"2024-01-02T03:04:05Z"}`, version),
		base + ".mod":  []byte("module " + module + "\n"),
		base + ".zip":  archive.Bytes(),

		"/" + module + "/@v/list": []byte(version + "\n"),
		"/" + module + "/@latest": fmt.Appendf(nil, `{"Version":%q,"Time":"2024-01-02T03:04:05Z"}`, version),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := served[r.URL.Path]
		switch {
		case ok:
			_, _ = w.Write(content)
		case strings.HasPrefix(r.URL.Path, "/sumdb/"):
			_, _ = w.Write([]byte("as the checksum database has it\n"))
		case strings.HasSuffix(r.URL.Path, "/v1.0.2.mod"):
			http.Error(w, "the origin fails", http.StatusInternalServerError)
		default:
			http.NotFound(w, r)
		}
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

// requiring is a go.mod that needs that module.
func requiring(module string) []byte {
	return []byte(strings.Join([]string{"module example.com/client", "go 1.26", "require " + module + " v1.0.0", ""}, "\n"))
}
