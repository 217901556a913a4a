// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/redact"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"one", "https://a.example", "https://a.example"},
		{"comma and pipe", "https://a.example,http://b.example/x|direct", "https://a.example,http://b.example/x|direct"},
		{"spaces and empty elements", " , https://a.example ,, off", "https://a.example,off"},
		{"nothing behind direct", "direct,https://a.example,nonsense", "direct"},
		{"nothing behind off", "https://a.example|off|https://b.example", "https://a.example|off"},
		{"userinfo is not shown", "https://me:secret@a.example/p?secret=1", "https://a.example/p"},
		{"userinfo over http to this machine", "http://me:secret@127.0.0.1:1", "http://127.0.0.1:1"},
		{"folder", "file:///tmp/proxy", "file:///tmp/proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Parse(tt.in)
			require.NoError(t, err)
			assert.Equal(t, tt.want, l.String())
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "GOPROXY list: no elements; write for example https://proxy.example.com,direct"},
		{"only separators", " ,|, ", "GOPROXY list: no elements; write for example https://proxy.example.com,direct"},
		{"no scheme", "proxy.example.com,direct", `GOPROXY list: invalid element "proxy.example.com": has no scheme; write https://proxy.example.com`},
		{"host and port", "proxy.example.com:8080", `GOPROXY list: invalid element "proxy.example.com:8080": has no scheme; write https://proxy.example.com:8080`},
		{"address and port", "127.0.0.1:8080", `GOPROXY list: invalid element "127.0.0.1:8080": has no scheme; write https://127.0.0.1:8080`},
		{"a word", "noproxy", `GOPROXY list: invalid element "noproxy": has no scheme; write https://noproxy`},
		{"network path", "//a.example", `GOPROXY list: invalid element "//a.example": has no scheme; write https://a.example`},
		{"other scheme", "ftp://me:secret@a.example", `GOPROXY list: invalid element "ftp://a.example": scheme is none of http, https, file`},
		{"no host", "https:///x", `GOPROXY list: invalid element "https:///x": has no host`},
		{"not a URL", "https://me:secret@a.example:port", `GOPROXY list: invalid element "(URL)": not a URL; part the elements by a comma or a pipe, and write %XX for special characters`},
		{"credentials in the clear", "http://me:secret@a.example", `GOPROXY list: invalid element "http://a.example": credentials over plain http, which the go command refuses; write https`},
		{"file with a host", "file://host/x", `GOPROXY list: invalid element "file://host/x": a file URL has a path and nothing else; write file:///path`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.in)
			require.EqualError(t, err, tt.want)
		})
	}
	_, err := Parse("a.example,ftp://b.example")
	require.ErrorContains(t, err, "a.example")
	require.ErrorContains(t, err, "ftp://b.example")
}

func TestWithout(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		own      []string
		rest     string
		left     []string
	}{
		{"same address", "http://127.0.0.1:8081,direct", []string{"127.0.0.1:8081"}, "direct", []string{"http://127.0.0.1:8081"}},
		{"localhost is loopback", "http://localhost:8081/x|https://a.example", []string{"127.0.0.1:8081"}, "https://a.example", []string{"http://localhost:8081/x"}},
		{"all addresses", "http://[::1]:8081,http://0.0.0.0:8081", []string{":8081"}, "", []string{"http://[::1]:8081", "http://0.0.0.0:8081"}},
		{"another port", "http://127.0.0.1:8083", []string{"127.0.0.1:8081", "0.0.0.0:8082"}, "http://127.0.0.1:8083", nil},
		{"another host", "https://a.example:8081", []string{"0.0.0.0:8081"}, "https://a.example:8081", nil},
		{"the proxy beside us", "http://localhost:3000/,https://a.example", []string{"127.0.0.1:3000/"}, "https://a.example", []string{"http://localhost:3000/"}},
		{"another proxy behind its address", "https://a.example/api/go/remote", []string{"a.example:443/api/go/virtual"}, "https://a.example/api/go/remote", nil},
		{"default port", "https://localhost", []string{"[::]:443"}, "", []string{"https://localhost"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Parse(tt.in)
			require.NoError(t, err)
			rest, left := l.Without(tt.own)
			assert.Equal(t, tt.rest, rest.String())
			assert.Equal(t, tt.left, left)
		})
	}
}

func TestResolve(t *testing.T) {
	t.Setenv("GOENV", filepath.Join(t.TempDir(), "env"))
	require.NoError(t, os.WriteFile(os.Getenv("GOENV"), []byte("GOPROXY=http://127.0.0.1:8081,https://written.example\nGOPRIVATE=corp.example\n"), 0o600))
	t.Setenv("GOPROXY", "")
	t.Setenv("GOPRIVATE", "")

	u, err := Resolve(t.Context(), "", "", []string{"127.0.0.1:8081"})
	require.NoError(t, err)
	assert.Equal(t, "https://written.example", u.List.String())
	assert.Equal(t, []string{"http://127.0.0.1:8081"}, u.LeftOut)
	assert.False(t, u.Builtin)

	env, err := GoEnv(t.Context(), "GONOPROXY")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"GONOPROXY": "corp.example"}, env)

	require.NoError(t, os.WriteFile(os.Getenv("GOENV"), []byte("GOPROXY=http://localhost:8081\n"), 0o600))
	u, err = Resolve(t.Context(), "", "", []string{"127.0.0.1:8081"})
	require.NoError(t, err)
	assert.True(t, u.Builtin)
	assert.True(t, strings.HasSuffix(u.List.String(), "direct"), u.List.String())

	t.Setenv("PATH", t.TempDir())
	_, err = Resolve(t.Context(), "", "", nil)
	require.ErrorContains(t, err, "MODTAP_EGRESS_UPSTREAM")
	t.Setenv("GOPROXY", "https://set.example")
	t.Setenv("GOPRIVATE", "corp.example")
	u, err = Resolve(t.Context(), "", "", nil)
	require.NoError(t, err)
	assert.Equal(t, "https://set.example", u.List.String())
	env, err = GoEnv(t.Context(), "GONOPROXY", "GOSUMDB")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"GONOPROXY": "corp.example"}, env)
}

// TestAWrittenListIsNeverReplaced: who names Modtap itself as the place of his modules, in any spelling, is told so. The public default
// would hear of modules that it was not to hear of.
func TestAWrittenListIsNeverReplaced(t *testing.T) {
	own := []string{"127.0.0.1:8081", "0.0.0.0:8082", "proxy.corp.example:443/api/go"}
	back := []string{
		"http://127.0.0.1:8081", "http://localhost:8081/", "http://LOCALHOST:8081/x", "http://[::1]:8081", "http://[::ffff:127.0.0.1]:8081", "http://127.9.9.9:8081",
		"http://0.0.0.0:8081", "http://[::]:8081", "http://0.0.0.0:8082", "http://user:secret@127.0.0.1:8082", "https://proxy.corp.example/api/go", "https://proxy.corp.example:443/api/go/",
	}
	for i, one := range back {
		for _, text := range []string{one, one + "," + back[(i+1)%len(back)], one + "|" + back[(i+5)%len(back)]} {
			_, err := Resolve(t.Context(), text, "https://users.example", own)
			require.ErrorContains(t, err, "leads back to Modtap", text)
			assert.NotContains(t, err.Error(), "secret")
			u, err := Resolve(t.Context(), text+",https://other.example", "", own)
			require.NoError(t, err, text)
			assert.Equal(t, "https://other.example", u.List.String())
			assert.False(t, u.Builtin)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"https://a.example,direct", "http://u:p@[::1]:1|off", "a:b", "%zz", "https://me:secret@h?q#f", "//x", "file:///a", "file://", "https://h/a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l, err := Parse(in)
		if err != nil {
			return
		}
		require.NotEmpty(t, l)
		for _, e := range l {
			if e.Kind == Folder {
				require.True(t, strings.HasPrefix(e.URL.Path, "/"), "%q is no folder", in)
			}
		}
		if strings.Contains(l.String(), redact.Placeholder) {
			return // What is hidden can't be read again.
		}
		again, err := Parse(l.String())
		require.NoError(t, err, l.String())
		assert.Equal(t, l.String(), again.String())
	})
}
