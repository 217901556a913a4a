// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goauth"
)

// client asks a proxy, without the go command's own retries and caches.
type client struct {
	t    *testing.T
	http *http.Client
	url  string
}

// ask sends a GET with headers (name, value, ...) and returns the status; 0 when there was no whole answer.
func (c *client) ask(ctx context.Context, path string, headers ...string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return 0
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0
	}
	return response.StatusCode
}

// want asks and wants this status.
func (c *client) want(status int, path string, headers ...string) {
	c.t.Helper()
	require.Equal(c.t, status, c.ask(c.t.Context(), path, headers...), path)
}

// load sends requests at a rate until it is stopped.
type load struct {
	stop func()
	sent atomic.Int64
}

// run asks for one path after the other, so many a second and at most as many at once. It ends with the test at the latest.
func (c *client) run(perSecond float64, atOnce int, next func(n int) string) *load {
	ctx, cancel := context.WithCancel(c.t.Context())
	l := &load{}
	var workers sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	workers.Go(func() {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			select {
			case slots <- struct{}{}:
			default:
				continue // all are busy: nothing piles up
			}
			path := next(n)
			workers.Go(func() {
				defer func() { <-slots }()
				l.sent.Add(1)
				c.ask(ctx, path)
			})
		}
	})
	l.stop = sync.OnceFunc(func() { cancel(); workers.Wait() })
	c.t.Cleanup(l.stop)
	return l
}

// warm is how many modules everyone builds with.
const warm = 10

// usual are a build's requests for what a proxy has: six files and a question.
func usual(n int) string {
	module := fmt.Sprintf("/example.com/lib%d/@v/", n/7%warm)
	return module + []string{"v1.0.0.info", "v1.0.0.zip", "v1.0.0.info", "v1.0.0.zip", "v1.0.0.info", "v1.0.0.mod", "v1.0.0.info"}[n%7]
}

// each numbers the modules of a load: /example.com/<name><n>/@v/<file>.
func each(name, file string) func(n int) string {
	return func(n int) string { return fmt.Sprintf("/example.com/%s%d/@v/%s", name, n, file) }
}

// bigs are the modules of which not all fit into the embedded proxy's cache.
const bigs = 9

const (
	ciTrace = "0af7651916cd43dd8448eb211c80319c"
	public  = "http://public.example" // the embedded proxy's second upstream
)

// ciHeaders are those of a job that modtap-goauth names.
func ciHeaders() []string {
	return []string{
		"Traceparent", "00-" + ciTrace + "-b7ad6b7169203331-01", "Tracestate", "modtap=root", "X-Forwarded-For", "192.0.2.7",
		goauth.HeaderSystem, "gitlab", goauth.HeaderPipeline, "shop/web", goauth.HeaderPipelineRun, "41", goauth.HeaderPipelineURL, "https://ci.example/41",
		goauth.HeaderJob, "test", goauth.HeaderJobRun, "412", goauth.HeaderJobURL, "https://ci.example/41/412",
	}
}

// variety makes the embedded proxy do what it does besides hits: cold and expired misses, evictions, coalesced downloads, falls-through,
// toolchains, named users and jobs. None of it is a reason for an alert.
func (c *client) variety() {
	c.t.Helper()
	for i := range 2 * bigs { // more than the cache's bound: some of the second round were evicted
		c.want(http.StatusOK, fmt.Sprintf("/example.com/big%d/@v/v1.0.0.zip", i%bigs))
	}
	// Last, so that what everyone builds with is there.
	for i := range warm {
		for _, file := range []string{"v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip"} {
			c.want(http.StatusOK, fmt.Sprintf("/example.com/lib%d/@v/%s", i, file), ciHeaders()...)
		}
	}
	alice := &http.Request{Header: http.Header{}}
	alice.SetBasicAuth("alice", "secret")
	user := []string{"Authorization", alice.Header.Get("Authorization"), "X-Forwarded-For", "192.0.2.1", "User-Agent", "curl/7.88.1"}
	for _, path := range []string{"/@v/list", "/@latest", "/@v/main.info", "/@v/v1.1.0.info", "/@v/v1.0.0.zip"} {
		c.want(http.StatusOK, "/example.com/lib0"+path, user...)
	}
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() { c.ask(c.t.Context(), "/example.com/slow/@v/v1.0.0.zip", "X-Forwarded-For", "192.0.2.2") })
	}
	wait.Wait()
	c.want(http.StatusNotFound, "/example.com/missing/@v/v1.0.0.info")
	c.want(http.StatusNotFound, "/example.com/missing/a/b/@v/list")
	c.want(http.StatusNotFound, "/example.com/late/@v/v1.0.0.info")
	c.want(http.StatusGatewayTimeout, "/example.com/hanging/@v/v1.0.0.mod")
	for _, version := range []string{"v0.0.1-go1.26.8.linux-amd64", "v0.0.1-go1.25.1.linux-arm64"} {
		c.want(http.StatusOK, "/golang.org/toolchain/@v/"+version+".zip")
	}
	c.want(http.StatusOK, "/sumdb/"+database+"/supported")
	c.want(http.StatusOK, "/sumdb/"+database+"/latest")
	c.want(http.StatusOK, "/sumdb/"+database+"/lookup/example.com/lib0@v1.0.0")
	time.Sleep(2500 * time.Millisecond) // past the list's TTL
	c.want(http.StatusOK, "/example.com/lib0/@v/list", user...)
}
