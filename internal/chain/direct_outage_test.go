// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package chain

import (
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/redact"
)

var discardLog = log.New(io.Discard, "", 0)

// atDiscovery fails where the go command asks which repository a path has, inGit where
// git asks for the repository's names, and inPack where it fetches from it.
func atDiscovery(f forgeFault) forgeFault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return r.URL.Query().Get("go-get") == "1" && f(w, r)
	}
}

func inGit(f forgeFault) forgeFault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return strings.Contains(r.URL.Path, ".git/") && f(w, r)
	}
}

func inPack(f forgeFault) forgeFault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		body := make([]byte, 512)
		if !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			return false
		}
		n, _ := io.ReadFull(r.Body, body)
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(body[:n])), r.Body))
		return strings.Contains(string(body[:n]), "command=fetch") && f(w, r)
	}
}

func faultStatus(code int) forgeFault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		}
		http.Error(w, "not found: unknown revision, said a page", code) // Nobody is to believe it.
		return true
	}
}

func faultHang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

func faultReset(w http.ResponseWriter, _ *http.Request) bool {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
	return true
}

func faultHalf(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	w.Header().Set("Content-Length", "100000")
	_, _ = io.WriteString(w, "000dpackfile\n")
	return true
}

// TestDirectOutages: whatever is wrong on the way to version control, nothing is said
// to be absent.
func TestDirectOutages(t *testing.T) {
	type want struct {
		status int
		words  string
	}
	fails, wants := map[string]forgeFault{}, map[string]want{}
	add := func(host string, status int, words string, f forgeFault) {
		fails[host], wants[host+".test/m"] = f, want{status, words}
	}
	for _, at := range []struct {
		name string
		in   func(forgeFault) forgeFault
	}{{"disco", atDiscovery}, {"git", inGit}, {"pack", inPack}} {
		for _, code := range []int{500, 502, 503} {
			add(fmt.Sprint(at.name, code), 502, strconv.Itoa(code), at.in(faultStatus(code)))
		}
		add(at.name+"504", 504, "timeout", at.in(faultStatus(504)))
		for _, code := range []int{401, 403, 429} {
			add(fmt.Sprint(at.name, code), code, "", at.in(faultStatus(code)))
		}
		add(at.name+"hang", 504, "timeout", at.in(faultHang))
		add(at.name+"reset", 502, "connection_reset", at.in(faultReset))
	}
	add("packhalf", 502, "connection_reset", inPack(faultHalf))
	add("proxied", 502, "_OTHER,bad_response,503", nil)
	add("plain", 502, "tls", nil)
	startForge(t, fails)
	wants["nowhere.invalid/m"] = want{502, "dns"}
	wants["a.b.test/m"] = want{502, "tls"} // No name of the certificate.
	if c, err := net.Dial("tcp", "127.0.0.1:443"); err != nil {
		wants["127.0.0.1/m"] = want{502, "connection_refused"}
	} else {
		_ = c.Close()
	}
	// What the go command doesn't tell apart is no proof.
	wants["nowhere.invalid/m.git"] = want{502, "_OTHER"}

	for path, want := range wants {
		t.Run("case 38: "+strings.ReplaceAll(path, "/", "|"), func(t *testing.T) {
			t.Parallel()
			for _, file := range []string{"/@v/v1.0.0.info", "/@v/list"} {
				if strings.HasPrefix(path, "pack") && file == "/@v/list" {
					continue // A list needs no pack of a version.
				}
				timeout := time.Minute
				if strings.Contains(path, "hang") {
					timeout = 2 * time.Second
				}
				ledger := new(Ledger)
				err := openDirect(t, timeout).Do(t.Context(), Request{Ledger: ledger, Request: asks(path + file)}, readAll(new(string)))
				e := requireError(t, err)
				assert.Equal(t, want.status, e.Status(), "%s: %v", file, err)
				require.NotErrorIs(t, err, fs.ErrNotExist, file)
				assert.False(t, e.Confirmed)
				at := ledger.Take()[0]
				if want.words != "" {
					assert.Contains(t, strings.Split(want.words, ","), at.Error, "%s: %v", file, err)
				} else {
					assert.Equal(t, strconv.Itoa(want.status), at.Error)
				}
			}
		})
	}
}

// TestDirectProves: what isn't there is not found, since version control says so.
func TestDirectProves(t *testing.T) {
	startForge(t, nil)
	c := openDirect(t, time.Minute)
	for _, file := range []string{
		"ok.test/m/@v/v9.9.9.info", "ok.test/m/@v/v9.9.9.zip", "ok.test/m/@v/no-such-branch.info", "ok.test/m/@v/0123456789ab.info",
		"ok.test/m/@v/v0.0.0-20200102030405-0123456789ab.info", "ok.test/m/v2/@v/v2.0.0.mod", "ok.test/m/sub/@v/v1.0.0.mod",
		"ok.test/none/@v/list", "ok.test/none/@v/v1.0.0.info", "ok.test/nometa/@v/list", "ok.test/norepo/@v/list", "ok.test/norepo/@latest",
		"github.com/a/@v/list",
	} {
		t.Run("case 38: "+strings.ReplaceAll(file, "/", "|"), func(t *testing.T) {
			t.Parallel()
			e := requireError(t, c.Do(t.Context(), Request{Request: asks(file)}, readAll(new(string))))
			assert.Equal(t, 404, e.Status(), e.Error())
			assert.True(t, e.Confirmed)
		})
	}
}

// TestDirectServesWhatNeedsANewerGo: a version exists, whatever Go is here.
func TestDirectServesWhatNeedsANewerGo(t *testing.T) {
	startForge(t, nil)
	c := openDirect(t, time.Minute)
	ask := func(file string) (string, error) {
		var body string
		err := c.Do(t.Context(), Request{Request: asks(file)}, readAll(&body))
		return body, err
	}
	for file, want := range map[string]string{
		"ok.test/m/@v/list":        "v1.0.0\nv1.1.0\n",
		"ok.test/m/@latest":        `"v1.1.0"`,
		"ok.test/m/@v/main.info":   `"v1.1.0"`,
		"ok.test/m/@v/v1.1.0.info": `"v1.1.0"`,
		"ok.test/m/@v/v1.1.0.mod":  "go 1.999",
		"ok.test/m/@v/v1.0.0.mod":  "go 1.20",
		"ok.test/m/@v/v1.0.0.zip":  "PK",
	} {
		body, err := ask(file)
		require.NoError(t, err, "case 39: %s", file)
		assert.Contains(t, body, want, "case 39: %s", file)
	}
	_, err := ask("ok.test/m/@v/v1.1.0.zip")
	e := requireError(t, err)
	assert.Equal(t, 502, e.Status(), "case 39")
	assert.Equal(t, "toolchain_too_old", e.Word)
	assert.Contains(t, err.Error(), "requires go >= 1.999")
	assert.Contains(t, err.Error(), "install that Go where Modtap runs", "case 39: the cure")
}

// Git quotes the URL that it asks.
func TestDirectTellsNoPassword(t *testing.T) {
	err := judgeDirect("a.test/m@v1.0.0: git ls-remote: fatal: unable to access 'https://me:secret@a.test/m?secret=1': Failed to connect", "a.test/m", "v1.0.0")
	assertNoSecret(t, err.Error())
}

// What is asked for is no word of git's or the go command's.
func TestNamesProveNothing(t *testing.T) {
	const refused = ": git ls-remote -q origin: exit status 128:\n\tfatal: unable to access 'https://%s/': Failed to connect"
	for _, path := range []string{"example.com/unknown revision/x", "example.com/no go-import meta tags", "a.test/should be v"} {
		err := judgeDirect(path+"@v1.0.0"+fmt.Sprintf(refused, path), path, "v1.0.0")
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
	for _, path := range []string{"example.com/i/o timeout", "example.com/x509: ", "example.com/connection refused/v2"} {
		err := judgeDirect(path+"@v1.0.0: invalid version: unknown revision v1.0.0", path, "v1.0.0")
		require.ErrorIs(t, err, fs.ErrNotExist, path)
	}
}

func FuzzJudgeDirect(f *testing.F) {
	for _, s := range append([]string{"", "x: reading https://x?go-get=1: 404 Not Found\n\tserver response: 503", "a requires go >= 1.99 (running go 1; GOTOOLCHAIN=local)"}, slices.Concat(proofs, systemProofs)...) {
		f.Add(s, "example.com/m", "v1.0.0")
	}
	f.Fuzz(func(t *testing.T, text, path, version string) {
		err := judgeDirect(text, path, version)
		require.Error(t, err)
		assert.True(t, strings.HasPrefix(err.Error(), redact.Text(text)))
		assert.NotEmpty(t, Word(err))
		// An outage before what would be a proof makes it none.
		require.NotErrorIs(t, judgeDirect("dial tcp: connect: connection refused; "+url.PathEscape(text), path, version), fs.ErrNotExist)
	})
}
