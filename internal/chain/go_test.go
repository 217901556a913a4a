// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oracle are the behaviours on which the walk is held against the go command's.
// Time-outs aren't among them: it has none.
var oracle = []struct {
	name string
	behaviour
}{
	{"200", serveModule},
	{"404", status(404)},
	{"410", status(410)},
	{"400", status(400)},
	{"429", status(429)},
	{"500", status(500)},
	{"reset", reset},
	{"garbage", garbage},
	{"broken", broken},
	{"slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		serveModule(w, r)
	}},
}

// TestLikeTheGoCommand holds the walk against the real one, for all pairs: the
// same URLs are asked in the same order, the same element decides, and what it
// said is told.
func TestLikeTheGoCommand(t *testing.T) {
	for a := range oracle {
		for b := range oracle {
			for _, separator := range []string{",", "|"} {
				compareWithGo(t, []int{a, b}, []string{separator})
			}
		}
	}
}

// TestLikeTheGoCommandAtFour does the same for a sample of longer lists.
func TestLikeTheGoCommandAtFour(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 200)) // The same sample each time.
	for range 200 {
		var elements []int
		var separators []string
		for range 4 {
			elements = append(elements, random.IntN(len(oracle)))
			separators = append(separators, []string{",", "|"}[random.IntN(2)])
		}
		compareWithGo(t, elements, separators)
	}
}

// asked are the requests for the files of the version, in order.
type asked struct {
	mu   sync.Mutex
	urls []string
}

func (a *asked) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.urls
	a.urls = nil
	return taken
}

// compareWithGo compares for one list; its elements are those of oracle.
func compareWithGo(t *testing.T, elements []int, separators []string) {
	t.Helper()
	var names []string
	for _, e := range elements {
		names = append(names, oracle[e].name)
	}
	t.Run(list(names, separators), func(t *testing.T) {
		t.Parallel()
		var seen asked
		var urls []string
		for i, e := range elements {
			u := start(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/"+stem) {
					seen.mu.Lock()
					seen.urls = append(seen.urls, fmt.Sprint(i, " ", r.URL))
					seen.mu.Unlock()
				}
				oracle[e].behaviour(w, r)
			})
			urls = append(urls, u.URL)
		}
		goproxy := list(urls, separators)
		wantErr := goDownload(t, goproxy)
		want := seen.take()

		err := download(t, client(t, goproxy))
		assert.Equal(t, want, seen.take())
		if wantErr == "" {
			require.NoError(t, err)
			return
		}
		e := requireError(t, err)
		i := slices.IndexFunc(urls, func(u string) bool { return strings.HasPrefix(e.URL, u+"/") })
		require.GreaterOrEqual(t, i, 0)
		for j, u := range urls {
			if j != i {
				assert.NotContains(t, wantErr, u, "go reports another element's error than %v", err)
			}
		}
		if code, isStatus := strconv.Atoi(oracle[elements[i]].name); isStatus == nil {
			assert.Contains(t, wantErr, urls[i])
			assert.Equal(t, code, e.Code)
			for _, said := range []string{fmt.Sprint(code, " ", http.StatusText(code)), fmt.Sprint("this is ", code)} {
				assert.Contains(t, wantErr, said)
				assert.Contains(t, err.Error(), said)
			}
		}
	})
}

// list writes elements with the separators between them.
func list(elements, separators []string) string {
	var b strings.Builder
	for i, e := range elements {
		if i > 0 {
			b.WriteString(separators[i-1])
		}
		b.WriteString(e)
	}
	return b.String()
}

// download asks for the files of the version as the go command does: what has no
// .info isn't downloaded.
func download(t *testing.T, c *Client) error {
	t.Helper()
	for _, ext := range []string{".info", ".mod", ".zip"} {
		err := c.Do(t.Context(), Request{Request: asks(stem + ext)}, func(a *Answer) error {
			body, err := io.ReadAll(a.Body)
			if err == nil && ext == ".info" {
				err = json.Unmarshal(body, new(struct{ Version string }))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// goDownload runs the go command and returns the error that it reports.
func goDownload(t *testing.T, goproxy string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module x\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "example.com/m@v1.0.0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY="+goproxy, "GOMODCACHE="+filepath.Join(dir, "cache"),
		"GOFLAGS=-mod=mod -modcacherw", "GONOSUMDB=*", "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=", "GOWORK=off", "GOTOOLCHAIN=local", "GOENV=off")
	out, err := cmd.Output()
	var told struct{ Error, Zip string }
	require.NoError(t, json.Unmarshal(out, &told), fmt.Sprint(err))
	assert.NotEqual(t, told.Error == "", told.Zip == "")
	return told.Error
}
