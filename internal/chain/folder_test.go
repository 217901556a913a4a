// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package chain

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func makeFIFO(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(name, 0o600))
}

// folderWith returns a folder that is a proxy, next to a file that is none of it.
func folderWith(t *testing.T) (dir, outside string) {
	t.Helper()
	outside = secretFile(t)
	dir = filepath.Join(t.TempDir(), "proxy")
	at := filepath.Join(dir, "example.com/m/@v")
	require.NoError(t, os.MkdirAll(at, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(at, "v1.0.0.mod"), []byte("module example.com/m\n"), 0o600))
	require.NoError(t, os.Symlink("v1.0.0.mod", filepath.Join(at, "inside.mod")))
	require.NoError(t, os.Symlink(outside, filepath.Join(at, "outside.mod")))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "elsewhere")))
	require.NoError(t, os.Symlink("../../../../../../../../../../.."+outside, filepath.Join(at, "up.mod")))
	require.NoError(t, os.Symlink("loop.mod", filepath.Join(at, "loop.mod")))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(at, "zero.mod")))
	require.NoError(t, os.Symlink("fifo.mod", filepath.Join(at, "tofifo.mod")))
	makeFIFO(t, filepath.Join(at, "fifo.mod"))
	l, err := net.Listen("unix", filepath.Join(at, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return dir, outside
}

// TestFolderIsRooted: nothing but the regular files of the folder is opened. What isn't
// the protocol Do asks of no element; the folder holds without that.
func TestFolderIsRooted(t *testing.T) {
	dir, outside := folderWith(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	type want struct {
		file   string
		status int
	}
	cases := []want{
		{"example.com/m/@v/v1.0.0.mod", 200},
		{"example.com/m/@v/inside.mod", 200},
		{"example.com/m/@v/v1.0.0.zip", 404},
		{"example.com/m/@v", 404},
		{"example.com/m/@v/v1.0.0.mod/x", 404},
		{"example.com/m/@v/a\x00b", 404},
		{"example.com/" + strings.Repeat("x", 300) + "/@v/list", 404},
		{"example.com/m/@v/outside.mod", 403},
		{"example.com/m/@v/up.mod", 403},
		{"elsewhere/passwd", 403},
		{"example.com/m/@v/zero.mod", 403},
		{"example.com/m/@v/fifo.mod", 403},
		{"example.com/m/@v/tofifo.mod", 403},
		{"example.com/m/@v/s", 403},
	}
	up := strings.TrimPrefix(outside, "/")
	for _, dots := range []string{"..", "%2e%2e", "%2E.", ".%2e", "..%2f..", "..\\", "./..", "x/../..", "...", ".", "", "/"} {
		for n := range 8 {
			prefix := strings.Repeat(dots+"/", n+1)
			cases = append(cases, want{prefix + up, 404}, want{prefix + "etc/passwd", 404}, want{prefix + "proc/self/environ", 404})
		}
	}
	cases = append(cases, want{outside, 404}, want{"/" + outside, 404})
	for _, root := range []string{dir, link, dir + "/"} {
		c := client(t, (&url.URL{Scheme: "file", Path: root}).String())
		for _, tt := range cases {
			t.Run("case 6: "+strings.ReplaceAll(tt.file, "/", "|"), func(t *testing.T) {
				begin := time.Now()
				var body string
				err := c.ask(t.Context(), c.list[0], join(c.list[0].URL, tt.file), Request{}, readAll(&body)).err()
				assert.Less(t, time.Since(begin), 10*time.Second)
				assert.NotContains(t, body, canary)
				if tt.status == http.StatusOK {
					require.NoError(t, err)
					assert.Equal(t, "module example.com/m\n", body)
					return
				}
				e := requireError(t, err)
				assert.Equal(t, tt.status, e.Code, err)
				assert.Empty(t, body)
			})
		}
	}
}

// TestFolderThatIsNone: there may be a folder later; what is there and is none is a
// fault.
func TestFolderThatIsNone(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	makeFIFO(t, fifo)
	for root, status := range map[string]int{filepath.Join(t.TempDir(), "later"): 404, secretFile(t): 502, fifo: 502} {
		err := client(t, "file://"+root).Do(t.Context(), Request{Request: asks(stem + ".mod")}, readAll(new(string)))
		e := requireError(t, err)
		assert.Equal(t, status, e.Status(), err)
	}
}

// A FIFO where a redirect leads has nobody waiting.
func TestRedirectToFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	makeFIFO(t, fifo)
	a := start(t, redirectTo("file://"+filepath.ToSlash(fifo), http.StatusFound))
	begin := time.Now()
	assertNotFollowed(t, a.URL, "file:FIFO")
	assert.Less(t, time.Since(begin), 10*time.Second)
}

// TestFileThatGrows: no more is sent than was announced.
func TestFileThatGrows(t *testing.T) {
	dir, _ := folderWith(t)
	c := client(t, "file://"+dir)
	var body string
	require.NoError(t, c.Do(t.Context(), Request{Request: asks(stem + ".mod")}, func(a *Answer) error {
		f, err := os.OpenFile(filepath.Join(dir, stem+".mod"), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("more\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.EqualValues(t, len("module example.com/m\n"), a.ContentLength)
		return readAll(&body)(a)
	}))
	assert.Equal(t, "module example.com/m\n", body)
}
