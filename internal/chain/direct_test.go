// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDirectIsBounded(t *testing.T) {
	hosts := map[string]string{
		"public.example": "8.8.8.8", "corp.example": "10.1.2.3", "loop.example": "127.0.0.1",
		"link.example": "169.254.169.254", "mapped.example": "::ffff:10.0.0.1", "six.example": "fe80::1",
	}
	for _, tt := range []struct{ name, patterns, private, path, want string }{
		{"none", "", "", "public.example/m", "not allowed"},
		{"all", "*", "", "public.example/m", ""},
		{"another", "other.example", "", "public.example/m", "not allowed"},
		{"part of a host", "public.example/team", "", "public.example/other", "not allowed"},
		{"private", "*", "", "corp.example/m", "address that isn't public"},
		{"private in IPv6 clothes", "*", "", "mapped.example/m", "address that isn't public"},
		{"private, named", "corp.example/team", "", "corp.example/team/m", ""},
		{"private, named by a wildcard", "*.example", "", "corp.example/m", "address that isn't public"},
		{"private, GONOPROXY", "*", "x.example, corp.example", "corp.example/m", ""},
		{"this machine", "*", "", "loop.example/m", "address that isn't public"},
		{"this machine by number", "*", "", "127.0.0.1/m", "address that isn't public"},
		{"link-local, even named", "link.example", "", "link.example/m", "address that isn't public"},
		{"link-local IPv6", "six.example", "", "six.example/m", "address that isn't public"},
		{"unknown here", "*", "", "nowhere.example/m", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewGoDirect(DirectSettings{Patterns: tt.patterns, Private: tt.private})
			d.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
				if a, ok := hosts[host]; ok {
					return []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr(a)}, nil
				}
				return nil, errors.New("no such host")
			}
			err := d.allowed(t.Context(), tt.path)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestDirectWithoutTools(t *testing.T) {
	d := NewGoDirect(DirectSettings{Patterns: "*"})
	d.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	c := client(t, "direct", func(s *Settings) { s.Direct = d })
	t.Setenv("PATH", t.TempDir())
	e := requireError(t, c.Do(t.Context(), Request{Request: asks(stem + ".info")}, readAll(new(string))))
	assert.Equal(t, 404, e.Status())
	assert.ErrorContains(t, e, "there is no go command where Modtap runs")
}

// fakeGo puts a script in the place of the go command.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Fatal("needs a shell")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestDirect(t *testing.T) {
	dir := t.TempDir()
	for ext, content := range files() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f"+ext), []byte(content), 0o600))
	}
	fakeGo(t, `
case "$1 $*" in
"mod "*) echo '{"Info":"`+dir+`/f.info","GoMod":"`+dir+`/f.mod","Zip":"`+dir+`/f.zip"}' ;;
*versions*) echo '{"Versions":["v1.0.0","v1.1.0"]}' ;;
*m@master) echo '{"Version":"v1.1.0","Time":"2020-01-02T03:04:05Z"}' ;;
*) echo "go: module lookup failed: GOPROXY=$GOPROXY GOSUMDB=$GOSUMDB GOMODCACHE=$GOMODCACHE" >&2; exit 1 ;;
esac`)
	d := NewGoDirect(DirectSettings{Patterns: "*", ModCache: "/its/own"})
	d.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	a := start(t, status(404))
	c := client(t, a.URL+",direct", func(s *Settings) {
		s.Direct, s.NoProxy = d, "private.example"
	})
	ledger := new(Ledger)

	siblings := make(map[string]string)
	var body string
	require.NoError(t, c.Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, func(a *Answer) error {
		for name, f := range a.Siblings {
			b, err := io.ReadAll(f)
			require.NoError(t, err)
			siblings[name] = string(b)
		}
		return readAll(&body)(a)
	}))
	assert.Equal(t, files()[".mod"], body)
	assert.Equal(t, map[string]string{stem + ".info": files()[".info"], stem + ".zip": files()[".zip"]}, siblings)
	got := ledger.Take()
	require.Len(t, got, 2)
	assert.Equal(t, "not_found", got[0].Reason)
	assert.True(t, got[1].Direct)
	assert.Equal(t, "direct:"+stem+".mod", got[1].URL)
	assert.EqualValues(t, len(body), got[1].BodySize)

	require.NoError(t, c.Do(t.Context(), Request{Request: asks("example.com/m/@v/list")}, readAll(&body)))
	assert.Equal(t, "v1.0.0\nv1.1.0\n", body)
	require.NoError(t, c.Do(t.Context(), Request{Request: asks("example.com/m/@v/master.info")}, readAll(&body)))
	assert.JSONEq(t, `{"Version":"v1.1.0","Time":"2020-01-02T03:04:05Z"}`, body)

	asked := len(a.paths())
	e := requireError(t, c.Do(t.Context(), Request{Request: asks("private.example/m/@latest")}, readAll(&body)))
	assert.Len(t, a.paths(), asked, "no proxy hears of a private module")
	assert.Equal(t, 502, e.Status(), "what it says is no proof")
	assert.False(t, e.Confirmed)
	assert.ErrorContains(t, e, "GOPROXY=direct GOSUMDB=off GOMODCACHE=$GOMODCACHE")
}
