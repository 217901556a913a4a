// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// TestBrokenQueueFile damages the queue of a real Modtap in many ways: it starts each time, and what arrives in Elasticsearch and what is
// counted as lost is together what was told.
func TestBrokenQueueFile(t *testing.T) {
	es := backends.Elasticsearch(t)
	o := newOrigin(t)
	o.add(t, "example.com/m", 10)
	const seed = 5
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	page := int64(os.Getpagesize())
	overwrite := func(t *testing.T, path string, at int64, b []byte) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteAt(b, at)
		require.NoError(t, err)
	}
	garbage := func(n int64) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	type damage struct {
		name   string
		broken bool // whether it must be noticed
		do     func(t *testing.T, path string, size int64)
	}
	damages := []damage{
		{"none", false, func(*testing.T, string, int64) {}},
		{"garbage", true, func(t *testing.T, path string, size int64) { overwrite(t, path, 0, garbage(size)) }},
		{"empty", true, func(t *testing.T, path string, _ int64) { require.NoError(t, os.Truncate(path, 0)) }},
		{"cut in the middle of a page", false, func(t *testing.T, path string, size int64) {
			require.NoError(t, os.Truncate(path, size/4+page/3)) // it may hit what bbolt holds in reserve
		}},
		{"cut to two pages and a half", true, func(t *testing.T, path string, _ int64) {
			require.NoError(t, os.Truncate(path, 2*page+page/2))
		}},
		{"both metas invalid", true, func(t *testing.T, path string, _ int64) {
			overwrite(t, path, 0, garbage(page))
			overwrite(t, path, page, garbage(page))
		}},
		{"a directory in its place", true, func(t *testing.T, path string, _ int64) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}},
	}
	for i := range 4 {
		damages = append(damages, damage{fmt.Sprint("garbage pages ", i), false, func(t *testing.T, path string, size int64) {
			for range 1 + i*2 {
				overwrite(t, path, page*random.Int64N(size/page), garbage(page))
			}
		}})
	}
	for i := range 4 {
		damages = append(damages, damage{fmt.Sprint("flipped bytes ", i), false, func(t *testing.T, path string, size int64) {
			for range 5 << (2 * i) {
				overwrite(t, path, random.Int64N(size), garbage(1))
			}
		}})
	}
	for i, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			name := fmt.Sprint("damage", i)
			env := append(o.goproxy(), "MODTAP_SERVICE_NAME="+name)
			m := start(t, append(env, "MODTAP_ELASTICSEARCH="+refused(t)))
			const bursts, each = 8, 25
			for range bursts {
				for range each {
					status, _ := get(t, m.proxy+"/example.com/m/@v/v1.0.0.mod")
					require.Equal(t, http.StatusOK, status)
				}
				time.Sleep(250 * time.Millisecond) // a queue of several requests
			}
			const all = bursts * each
			backends.Await(t, time.Minute, "all told", func() bool { return len(m.documents()) == all })
			time.Sleep(500 * time.Millisecond)
			if i%2 == 0 {
				require.NoError(t, m.cmd.Process.Signal(syscall.SIGKILL))
				<-m.exited
			} else {
				m.stop()
			}
			path := filepath.Join(m.data, "queue", "exporter_elastic__logs")
			info, err := os.Stat(path)
			require.NoError(t, err)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			d.do(t, path, info.Size())
			after, _ := os.ReadFile(path)

			begun := time.Now()
			again := start(t, append(env, "MODTAP_ELASTICSEARCH="+es.URL, "MODTAP_DATA="+m.data))
			took := time.Since(begun)
			elastic := `exporter="elastic"`
			backends.Await(t, 60*time.Second, "the queue to drain", func() bool {
				// The second one isn't shown before something is sent.
				return again.sample("otelcol_exporter_queue_size", elastic) == 0 && again.sample("otelcol_exporter_in_flight_requests", elastic) <= 0
			})
			lost := int(again.sample("otelcol_exporter_dropped_items_total", elastic))
			arrived := es.Count(t, "modtap-requests-*", "service.name:"+name)
			aside, err := filepath.Glob(path + ".broken-*Z")
			require.NoError(t, err)
			t.Logf("told %d, arrived %d, counted as lost %d; moved aside: %v; started in %v", all, arrived, lost, len(aside) > 0, took.Round(time.Millisecond))
			// A flipped byte in a request that still reads as one isn't noticed; it may
			// change the name that is counted here, or an id.
			unnoticed := 0
			if strings.HasPrefix(d.name, "flipped") {
				unnoticed = 5
			}
			assert.InDelta(t, all, arrived+lost, float64(unnoticed))
			if d.broken {
				assert.Len(t, aside, 1)
				assert.Contains(t, again.output.String(), "was broken")
			}
			if bytes.Equal(before, after) {
				assert.Zero(t, lost)
				assert.Empty(t, aside)
			}
			known := map[string]bool{}
			for _, doc := range again.documents() {
				known[doc.Event.ID] = true
			}
			assert.Len(t, known, all)
		})
	}
}
