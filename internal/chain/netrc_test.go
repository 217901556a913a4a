// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNetrcAuthorizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "netrc")
	require.NoError(t, os.WriteFile(path, []byte(`
machine a.example login first password 1
machine a.example login second password 2
machine a.example/private login third password 3
machine a.example:8443 login fourth password 4
machine 127.0.0.1:80 login fifth password 5
`), 0o600))
	n := &netrcFile{path: path}
	for url, want := range map[string]string{
		"https://a.example/x":           "first 1",
		"https://a.example":             "first 1",
		"https://a.example/private/m":   "third 3",
		"https://a.example/privately/m": "first 1",
		"https://a.example:8443/m":      "fourth 4",
		"https://a.example:9443/m":      " ",
		"https://b.a.example/m":         " ",
		"http://a.example/x":            " ",
		"http://127.0.0.1:80/m":         "fifth 5",
		"file:///a.example":             " ",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		n.authorize(req)
		user, password, _ := req.BasicAuth()
		assert.Equal(t, want, user+" "+password, url)
	}
}

// TestNetrcIsNeverTold: the credentials reach the element, and no other host to
// which it redirects, no attempt and no error. A changed file is read again.
func TestNetrcIsNeverTold(t *testing.T) {
	other := start(t, status(403))
	var redirects bool
	a := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret2" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if redirects {
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+r.URL.Path, http.StatusFound)
			return
		}
		serveModule(w, r)
	})
	path := filepath.Join(t.TempDir(), "netrc")
	write := func(password string) {
		host := strings.TrimPrefix(a.URL, "http://")
		require.NoError(t, os.WriteFile(path, []byte("machine "+host+" login me password "+password+"\n"), 0o600))
	}
	write("secret")
	c := client(t, a.URL, func(s *Settings) { s.Netrc = path })
	ledger := new(Ledger)
	ask := func() error {
		return c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, readAll(new(string)))
	}
	err := ask()
	assert.Equal(t, 401, requireError(t, err).Code)
	assertNoSecret(t, err.Error())
	write("secret2")
	require.NoError(t, ask())
	redirects = true
	err = ask()
	assert.Equal(t, 403, requireError(t, err).Code)
	assertNoSecret(t, err.Error())
	assert.Empty(t, other.heads[0].Get("Authorization"))
	for _, at := range ledger.Take() {
		assertNoSecret(t, at.URL, at.Error, at.Address)
	}
}

func TestUnreadableNetrcIsToldOnce(t *testing.T) {
	var told []string
	a := start(t, serveModule)
	c := client(t, a.URL, func(s *Settings) {
		s.Netrc = t.TempDir() // A folder.
		s.Warn = func(message string, err error) { told = append(told, message+": "+err.Error()) }
	})
	require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string))))
	require.Len(t, told, 1)
	assert.Contains(t, told[0], "netrc file is not used")
}

func BenchmarkNetrc(b *testing.B) {
	path := filepath.Join(b.TempDir(), "netrc")
	require.NoError(b, os.WriteFile(path, []byte("machine a.example login me password secret"), 0o600))
	n := &netrcFile{path: path}
	req := httptest.NewRequest(http.MethodGet, "https://a.example/"+stem+".zip", nil)
	b.ReportAllocs()
	for b.Loop() {
		req.Header.Del("Authorization")
		n.authorize(req)
	}
}
