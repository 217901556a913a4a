// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func passesOn(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sumdb/sum.example/") {
		_, _ = io.WriteString(w, "proxied")
		return
	}
	http.NotFound(w, r)
}

func TestSumDB(t *testing.T) {
	for _, tt := range []struct {
		name   string
		list   string
		a, b   behaviour
		body   string // Empty: an error.
		status int
		askedA int
		askedB int
		askedD int // The database itself.
	}{
		{"the first that supports it", "A,B", status(404), passesOn, "proxied", 0, 1, 2, 0},
		{"nobody does", "A,B", status(404), status(410), "direct", 0, 1, 1, 1},
		{"direct ends the search", "direct", nil, nil, "direct", 0, 0, 0, 1},
		{"off does not close the database", "A,off", status(404), nil, "direct", 0, 1, 0, 1},
		{"a failure is one", "A,B", status(500), passesOn, "", 502, 1, 0, 0},
		{"a failure behind a pipe", "A|B", status(500), passesOn, "proxied", 0, 1, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := start(t, tt.a), start(t, tt.b)
			d := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") })
			c := client(t, strings.NewReplacer("A", a.URL, "B", b.URL).Replace(tt.list), func(s *Settings) {
				s.SumDBs = map[string]SumDB{"sum.example": {URL: mustURL(t, d.URL)}}
			})
			var body string
			err := c.SumDB(t.Context(), Request{Request: asks("sumdb/sum.example/lookup/example.com/m@v1.0.0")}, readAll(&body))
			if tt.status != 0 {
				assert.Equal(t, tt.status, requireError(t, err).Status())
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, tt.body, body)
			assert.Len(t, a.paths(), tt.askedA)
			assert.Len(t, b.paths(), tt.askedB)
			assert.Len(t, d.paths(), tt.askedD)
		})
	}
}

func TestSumDBRemembersTheWay(t *testing.T) {
	a := start(t, passesOn)
	c := client(t, a.URL)
	known, err := c.SumDBSupported(t.Context(), Request{Request: asks("sumdb/sum.example/supported")})
	require.NoError(t, err)
	assert.False(t, known)
	known, err = c.SumDBSupported(t.Context(), Request{Request: asks("sumdb/sum.example/supported")})
	require.NoError(t, err)
	assert.True(t, known)
	assert.Equal(t, []string{"/sumdb/sum.example/supported"}, a.paths())
}

func TestSumDBStaysWhereItWasWhileTheListFails(t *testing.T) {
	down, answer := false, status(500)
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		if down {
			answer(w, r)
			return
		}
		passesOn(w, r)
	})
	c := client(t, a.URL)
	ask := func() error {
		c.mu.Lock()
		if b := c.bases["sum.example"]; b != nil && !b.until.IsZero() {
			b.until = time.Now().Add(-time.Second)
		}
		c.mu.Unlock()
		_, err := c.SumDBSupported(t.Context(), Request{Request: asks("sumdb/sum.example/supported")})
		return err
	}
	require.NoError(t, ask())
	down = true
	require.NoError(t, ask(), "a failure says nothing")
	answer = status(404)
	require.ErrorIs(t, ask(), fs.ErrNotExist, "the list has changed its mind")
}

func TestSumDBNamedByARequestIsNotAsked(t *testing.T) {
	a := start(t, status(404))
	victim := start(t, serveModule)
	c := client(t, a.URL+",direct")
	err := c.SumDB(t.Context(), Request{Request: asks("sumdb/" + strings.TrimPrefix(victim.URL, "http://") + "/latest")}, readAll(new(string)))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Empty(t, victim.paths())
}

func TestSumDBOnly(t *testing.T) {
	a, d := start(t, passesOn), start(t, passesOn)
	c := client(t, a.URL, func(s *Settings) {
		s.SumDBs = map[string]SumDB{"sum.example": {URL: mustURL(t, d.URL+"/sumdb/sum.example"), Only: true}}
	})
	var body string
	require.NoError(t, c.SumDB(t.Context(), Request{Request: asks("sumdb/sum.example/latest")}, readAll(&body)))
	assert.Equal(t, []string{"/sumdb/sum.example/latest"}, d.paths())
	assert.Empty(t, a.paths())
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}
