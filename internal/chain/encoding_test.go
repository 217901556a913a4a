// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// TestContentCodings sends each coding, asked for or not; refused means a bad
// response, in every kind of answer alike.
func TestContentCodings(t *testing.T) {
	const text = "v1.0.0\n"
	for name, tt := range map[string]struct {
		coding, asked, body string
		want                string // empty: refused
		passed              bool   // with its coding
	}{
		"case 25: gzip unasked":      {coding: "gzip", body: zipped(text), want: text},
		"GZIP":                       {coding: "GZIP", body: zipped(text), want: text},
		"x-gzip":                     {coding: "x-gzip", body: zipped(text), want: text},
		"identity":                   {coding: "identity", body: text, want: text},
		"none":                       {body: text, want: text},
		"gzip of nothing":            {coding: "gzip", body: zipped(""), want: ""},
		"gzip, and it isn't":         {coding: "gzip", body: text},
		"gzip cut off":               {coding: "gzip", body: zipped(text)[:20]},
		"gzip with a wrong checksum": {coding: "gzip", body: zipped(text)[:len(zipped(text))-8] + "12345678"},
		"gzip and more":              {coding: "gzip", body: zipped(text) + "more"},
		"two of them":                {coding: "gzip, gzip", body: zipped(zipped(text))},
		"deflate":                    {coding: "deflate", body: text},
		"br":                         {coding: "br", body: text},
		"aws-chunked":                {coding: "aws-chunked", body: text},
		"asked for":                  {coding: "gzip", asked: "deflate, gzip;q=0.5", body: zipped(text), want: zipped(text), passed: true},
		"br asked for":               {coding: "br", asked: "br", body: text, want: text, passed: true},
		"anything asked for":         {coding: "zstd", asked: "*", body: text, want: text, passed: true},
		"gzip not wanted":            {coding: "gzip", asked: "gzip;q=0, *", body: zipped(text), want: text},
		"gzip where br was asked":    {coding: "gzip", asked: "br", body: zipped(text), want: text},
		"br where gzip was asked":    {coding: "br", asked: "gzip", body: text},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.coding != "" {
					w.Header().Set("Content-Encoding", tt.coding)
				}
				w.Header().Set("ETag", `"compressed"`)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer server.Close()
			list, err := Parse(server.URL)
			require.NoError(t, err)
			c, err := New(Settings{List: list})
			require.NoError(t, err)
			defer c.Close()
			request := Request{Request: asks("example.com/m/@v/list")}
			if tt.asked != "" {
				request.Header = http.Header{"Accept-Encoding": {tt.asked}}
			}
			var got string
			var header http.Header
			err = c.Do(t.Context(), request, func(a *Answer) error {
				b, err := io.ReadAll(a.Body)
				got, header = string(b), a.Header
				return err
			})
			if tt.want == "" && name != "gzip of nothing" {
				var e *Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, exchange.ErrorBadResponse, e.Word)
				assert.Equal(t, 502, e.Status())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			if tt.coding != "" && tt.coding != "identity" {
				assert.Equal(t, tt.passed, header.Get("Content-Encoding") != "")
				assert.Equal(t, tt.passed, header.Get("ETag") != "", "it is the compressed form's")
			}
		})
	}
}

func TestAnEncodedErrorIsRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, zipped("no such module"))
	}))
	defer server.Close()
	list, err := Parse(server.URL)
	require.NoError(t, err)
	c, err := New(Settings{List: list})
	require.NoError(t, err)
	defer c.Close()
	err = c.Do(t.Context(), Request{Request: asks("example.com/m/@v/list")}, func(*Answer) error { return nil })
	assert.ErrorContains(t, err, "no such module")
}

func FuzzAccepts(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0", "gzip")
	f.Fuzz(func(t *testing.T, asked, coding string) {
		if accepts(http.Header{}, coding) && strings.Trim(coding, ", ") != "" {
			t.Fatal("nobody asked")
		}
		accepts(http.Header{"Accept-Encoding": {asked}}, coding)
	})
}
