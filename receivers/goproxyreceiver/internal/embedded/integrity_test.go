// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/modtap/modtap/internal/exchange"
)

var theModule = module.Version{Path: "example.com/m", Version: "v1.0.0"}

// part is an entry of a generated zip: lies are told in its headers.
type part struct {
	name   string
	body   string
	mode   fs.FileMode
	method uint16
	change func(h *zip.FileHeader)
}

// assertSame compares without showing what may be a zip.
func assertSame(t *testing.T, want, got string) {
	t.Helper()
	if want != got {
		t.Errorf("got %d bytes %.60q, want %d bytes %.60q", len(got), got, len(want), want)
	}
}

const root = "example.com/m@v1.0.0/"

func makeZip(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		h := &zip.FileHeader{Name: p.name, Method: p.method}
		h.SetMode(p.mode)
		var packed bytes.Buffer
		packed.WriteString(p.body)
		h.CRC32 = crc32.ChecksumIEEE([]byte(p.body))
		h.UncompressedSize64, h.CompressedSize64 = uint64(len(p.body)), uint64(packed.Len())
		if p.change != nil {
			p.change(h)
		}
		w, err := z.CreateRaw(h)
		require.NoError(t, err)
		_, err = w.Write(packed.Bytes())
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// goMod is the entry that every module has, with more after it.
func goMod(more ...part) []part {
	return append([]part{{name: root + "go.mod", body: mod, mode: 0o644}}, more...)
}

func ok(name string) part { return part{name: root + name, body: "package m\n", mode: 0o644} }

// hostileZips are what the go command refuses, or the specification.
func hostileZips(t testing.TB) map[string][]byte {
	one := func(change func(h *zip.FileHeader)) []byte {
		p := ok("m.go")
		p.change = change
		return makeZip(t, goMod(p)...)
	}
	whole := makeZip(t, goMod(ok("m.go"))...)
	data := bytes.Clone(whole)
	data[bytes.Index(data, []byte("package"))] ^= 1
	local := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(local[bytes.LastIndex(local, []byte("PK\x01\x02"))+42:], 1<<30)
	zips := map[string][]byte{
		"case 22: a wrong CRC":                 one(func(h *zip.FileHeader) { h.CRC32 ^= 1 }),
		"case 22: more than the size says":     one(func(h *zip.FileHeader) { h.UncompressedSize64-- }),
		"case 22: less than the size says":     one(func(h *zip.FileHeader) { h.UncompressedSize64++ }),
		"case 22: a size of nothing":           one(func(h *zip.FileHeader) { h.UncompressedSize64 = 0 }),
		"a packed size beyond the file":        one(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 40 }),
		"a size beyond the limit":              one(func(h *zip.FileHeader) { h.UncompressedSize64 = modzip.MaxZipFile }),
		"a size of 2^63":                       one(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 63 }),
		"an unknown method":                    one(func(h *zip.FileHeader) { h.Method = 99 }),
		"stored, but said to be deflated":      one(func(h *zip.FileHeader) { h.Method = zip.Deflate }),
		"a flipped bit of the content":         data,
		"an entry that begins outside":         local,
		"nothing":                              nil,
		"a sign-in page":                       []byte("<html>sign in</html>"),
		"cut off":                              whole[:len(whole)-10],
		"cut off in the middle":                whole[:len(whole)/2],
		"bytes missing at the front":           whole[10:],
		"go.mod of 17 MB":                      makeZip(t, part{name: root + "go.mod", body: strings.Repeat("/", modzip.MaxGoMod+1), mode: 0o644}),
		"a file twice":                         makeZip(t, goMod(ok("m.go"), ok("m.go"))...),
		"a file and a folder":                  makeZip(t, goMod(ok("m"), ok("m/m.go"))...),
		"names that differ in case":            makeZip(t, goMod(ok("m.go"), ok("M.go"))...),
		"go.mod below the root":                makeZip(t, goMod(ok("x/GO.mod"))...),
		"Go.Mod":                               makeZip(t, ok("Go.Mod")),
		"a name that no file system takes":     makeZip(t, goMod(ok(strings.Repeat("x", 256)+".go"))...),
		"no prefix":                            makeZip(t, goMod(part{name: "m.go", mode: 0o644})...),
		"the prefix of another version":        makeZip(t, goMod(part{name: "example.com/m@v1.0.1/m.go", mode: 0o644})...),
		"the prefix of another module":         makeZip(t, part{name: "example.com/n@v1.0.0/go.mod", body: mod, mode: 0o644}),
		"a total beyond the limit by a folder": makeZip(t, goMod(part{name: root + "x/", mode: fs.ModeDir | 0o755, change: func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }})...),
	}
	for _, name := range []string{"../x", "/x", "x/../../y", "./x", "x//y", "a\\b", "a:b", "x\x00y", "con", "x.", "a\nb", "\xff"} {
		zips["a path such as "+strconv.Quote(name)] = makeZip(t, goMod(ok(name))...)
	}
	for mode, what := range map[fs.FileMode]string{
		fs.ModeSymlink: "case 22: a symlink", fs.ModeNamedPipe: "a pipe", fs.ModeDevice: "a device", fs.ModeSocket: "a socket", fs.ModeDir: "a folder with the name of a file",
	} {
		zips[what] = makeZip(t, goMod(part{name: root + "x", body: "/etc/passwd", mode: mode | 0o777})...)
	}
	return zips
}

// goodZips are odd, but what the go command takes.
func goodZips(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"no go.mod":              makeZip(t, ok("m.go")),
		"a folder":               makeZip(t, goMod(part{name: root + "x/", mode: fs.ModeDir | 0o755}, ok("x/m.go"))...),
		"an empty file":          makeZip(t, goMod(part{name: root + "x", mode: 0o600})...),
		"no modes":               makeZip(t, part{name: root + "go.mod", body: mod}),
		"executable":             makeZip(t, goMod(part{name: root + "x.sh", body: "x", mode: 0o755})...),
		"a go.mod of another":    makeZip(t, part{name: root + "go.mod", body: "module example.com/forked\n", mode: 0o644}),
		"data before the zip":    append([]byte("#!/bin/sh\n"), makeZip(t, goMod(ok("m.go"))...)...),
		"as the go command does": []byte(moduleZipWith(t)),
	}
}

func moduleZipWith(t testing.TB) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.go"), []byte(strings.Repeat("package m\n", 1000)), 0o600))
	var b bytes.Buffer
	require.NoError(t, modzip.CreateFromDir(&b, theModule, dir))
	return b.String()
}

// TestWhatIsKeptCanBeUnpacked sends hostile zips with the checksum database off,
// skipped and on: none is kept, the next one that is good is served.
func TestWhatIsKeptCanBeUnpacked(t *testing.T) {
	for name, hostile := range hostileZips(t) {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			good := u.files[zipPath]
			for _, env := range []map[string]string{{"GOSUMDB": "off"}, {"GOSUMDB": u.withSumDB(t, ""), "GONOSUMDB": "example.com"}} {
				u.put(zipPath, string(hostile))
				g := start(t, u.URL, env)
				a := g.get(t, zipPath)
				assert.Equal(t, 502, a.StatusCode)
				assertSame(t, "bad response for example.com/m/@v/v1.0.0.zip", a.body[:min(len(a.body), 44)])
				assert.Equal(t, "bad_response", g.last().Error)
				assert.Empty(t, g.cached(t))

				u.put(zipPath, good)
				assertSame(t, good, g.get(t, zipPath).body)
				assert.Equal(t, exchange.Miss, g.last().Result)
			}
		})
	}
	for name, content := range goodZips(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "zip")
			require.NoError(t, os.WriteFile(file, content, 0o600))
			got, err := checkZip(file, theModule, nil)
			require.NoError(t, err)
			want, err := dirhash.HashZip(file, dirhash.DefaultHash)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			requireSameAhead(t, content, got, nil)
			assert.True(t, wholeZip(bytes.NewReader(content), int64(len(content))))
		})
	}
}

// FuzzCheckZip holds: what is taken can be unpacked by the go command's own code,
// and has its hash.
func FuzzCheckZip(f *testing.F) {
	for _, zips := range []map[string][]byte{hostileZips(f), goodZips(f)} {
		for _, content := range zips {
			if len(content) < 1<<20 {
				f.Add(content)
			}
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "zip")
		require.NoError(t, os.WriteFile(file, content, 0o600))
		h1, err := checkZip(file, theModule, nil)
		_ = wholeZip(bytes.NewReader(content), int64(len(content)))
		requireSameAhead(t, content, h1, err)
		if err != nil {
			return
		}
		require.NoError(t, modzip.Unzip(filepath.Join(dir, "out"), theModule, file))
		want, err := dirhash.HashZip(file, dirhash.DefaultHash)
		require.NoError(t, err)
		require.Equal(t, want, h1)
	})
}

func TestOtherFilesAreChecked(t *testing.T) {
	for name, tt := range map[string]struct{ path, content string }{
		"case 22: .info of another version":     {"/" + stem + ".info", `{"Version":"v1.0.1"}`},
		".info cut off":                         {"/" + stem + ".info", info[:40]},
		".info with a tail":                     {"/" + stem + ".info", info + "x"},
		".info that is a page":                  {"/" + stem + ".info", "<html>"},
		".info of nothing":                      {"/" + stem + ".info", ""},
		".info with a time that is none":        {"/" + stem + ".info", `{"Version":"v1.0.0","Time":"yesterday"}`},
		"case 22: .mod that can't be parsed":    {"/" + stem + ".mod", "module example.com/m\nrequire (\n"},
		".mod with a requirement of no version": {"/" + stem + ".mod", "module example.com/m\nrequire example.com/x latest\n"},
		".mod without a module":                 {"/" + stem + ".mod", "go 1.20\n"},
		".mod of nothing":                       {"/" + stem + ".mod", ""},
		".mod that is a page":                   {"/" + stem + ".mod", "<html>sign in</html>"},
		"@latest that is a page":                {"/example.com/m/@latest", "<html>"},
		"@latest without a version":             {"/example.com/m/@latest", "{}"},
		"a query without a version":             {"/example.com/m/@v/master.info", `{"Version":"master"}`},
		"case 24: a sign-in page as a list":     {"/example.com/m/@v/list", "<!doctype html>\n<html><body>\nsign in\n</body></html>\n"},
		"a page with a version as a list":       {"/example.com/m/@v/list", " <html>\nv1.0.0\n</html>"},
		"JSON as a list":                        {"/example.com/m/@v/list", `{"error":"not signed in"}`},
		"text as a list":                        {"/example.com/m/@v/list", "please sign in at https://example.com\n"},
		"bytes as a list":                       {"/example.com/m/@v/list", "\x1f\x8b\x08\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			good := u.files[tt.path]
			u.put(tt.path, tt.content)
			g := start(t, u.URL, nil)
			assert.Equal(t, 502, g.get(t, tt.path).StatusCode)
			assert.Empty(t, g.cached(t))
			u.put(tt.path, good)
			assert.Equal(t, good, g.get(t, tt.path).body)
			u.put(tt.path, tt.content)
			again := g.get(t, tt.path)
			assert.Equal(t, good, again.body, "a kept answer is better than a bad one")
			assert.Equal(t, 200, again.StatusCode)
		})
	}
	for name, list := range map[string]string{
		"with times": "v1.0.0 2020-01-02T03:04:05Z\n", "pseudo": "v0.0.0-20200102030405-0123456789ab\n",
		"with remarks": "# all\nv1.0.0\nnext\n", "no line's end": "v1.0.0", "tabs": "\tv1.0.0\t2020-01-02T03:04:05Z\r\n",
	} {
		t.Run("a list "+name, func(t *testing.T) {
			u := newUpstream(t, 10)
			u.put("/example.com/m/@v/list", list)
			assert.Equal(t, list, start(t, u.URL, nil).get(t, "/example.com/m/@v/list").body)
		})
	}
}

func TestAStoredZipThatRots(t *testing.T) {
	for name, rot := range map[string]func(content []byte) []byte{
		"cut to nothing": func([]byte) []byte { return nil },
		"cut off":        func(content []byte) []byte { return content[:len(content)-1] },
		"half":           func(content []byte) []byte { return content[:len(content)/2] },
		"zeros":          func(content []byte) []byte { return make([]byte, len(content)) },
		"zeros at the end": func(content []byte) []byte {
			return append(content[:len(content)-100:len(content)-100], make([]byte, 100)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			g := start(t, u.URL, nil)
			g.get(t, zipPath)
			require.NoError(t, os.WriteFile(filepath.Join(g.dir, "download", zipPath), rot([]byte(u.files[zipPath])), 0o600))
			assertSame(t, u.files[zipPath], g.get(t, zipPath).body)
			assert.Equal(t, exchange.Miss, g.last().Result)
			g.get(t, zipPath)
			assertAccount(t, g.last(), exchange.Hit, 0)
		})
	}
}

// TestTheGoCommandRecovers is case 22 with the go command: after a bad answer of
// the origin its next try works, and nothing has to be deleted.
func TestTheGoCommandRecovers(t *testing.T) {
	for name, hostile := range map[string][]byte{
		"case 22: a wrong CRC": hostileZips(t)["case 22: a wrong CRC"],
		"case 22: lying sizes": hostileZips(t)["case 22: less than the size says"],
		"case 22: a symlink":   hostileZips(t)["case 22: a symlink"],
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, 1000)
			good := u.files[zipPath]
			g := start(t, u.URL, nil)
			download := func() error {
				c := exec.CommandContext(t.Context(), "go", "mod", "download", "example.com/m@v1.0.0")
				c.Dir = t.TempDir()
				c.Env = append(os.Environ(), "GOPROXY="+g.URL, "GOSUMDB=off", "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off", "GOPRIVATE=")
				out, err := c.CombinedOutput()
				t.Logf("%s", out)
				return err
			}
			u.put(zipPath, string(hostile))
			require.Error(t, download())
			u.put(zipPath, good)
			require.NoError(t, download())
			require.NoError(t, download(), "from the cache")
		})
	}
}

// TestATruncatedAnswerIsNotKept ends each kind of answer early.
func TestATruncatedAnswerIsNotKept(t *testing.T) {
	for _, path := range []string{"/" + stem + ".info", "/" + stem + ".mod", zipPath, "/example.com/m/@v/list", "/example.com/m/@latest"} {
		t.Run(path, func(t *testing.T) {
			u := newUpstream(t, 1000)
			u.setFault(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Length", strconv.Itoa(len(u.files[path])))
				_, _ = io.WriteString(w, u.files[path][:len(u.files[path])-1])
				return true
			})
			g := start(t, u.URL, nil)
			assert.Equal(t, 502, g.get(t, path).StatusCode)
			assert.Empty(t, g.cached(t))
		})
	}
}
