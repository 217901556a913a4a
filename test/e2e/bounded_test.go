// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// getOK asks for a URL, which must be there, and returns the answer's body.
func getOK(tb testing.TB, url string) []byte {
	tb.Helper()
	status, body := get(tb, url)
	require.Equal(tb, http.StatusOK, status, "%s: %s", url, body)
	return body
}

// metric is the sum of the page's series that begin with prefix; false: there is none.
func (m *modtap) metric(prefix string) (sum float64, found bool) {
	m.tb.Helper()
	_, page := get(m.tb, "http://"+m.metrics+"/metrics")
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, prefix) {
			line, _, _ = strings.Cut(line, " # ") // an exemplar
			if v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(strings.TrimSpace(line), " ")+1:]), 64); err == nil {
				sum, found = sum+v, true
			}
		}
	}
	return sum, found
}

// until waits until the series that begin with prefix sum up to want.
func (m *modtap) until(prefix string, want float64) {
	m.tb.Helper()
	assert.Eventually(m.tb, func() bool {
		got, found := m.metric(prefix)
		return found && got == want
	}, time.Minute, 100*time.Millisecond, "%s %v", prefix, want)
}

// cacheFiles are the files of the embedded proxy's cache, and what they and their
// directories take of the disk, in blocks of 4 KiB.
func (m *modtap) cacheFiles() (files int, size int64) {
	m.tb.Helper()
	err := filepath.WalkDir(filepath.Join(m.data, "goproxy", "cache", "download"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "download" || strings.HasPrefix(d.Name(), ".") {
			return nil //nolint:nilerr // what goes while we look is not there
		}
		if info, err := d.Info(); err == nil {
			const block = 4096
			size += max(1, (info.Size()+block-1)/block) * block
			if info.Mode().IsRegular() {
				files++
			}
		}
		return nil
	})
	require.NoError(m.tb, err)
	return files, size
}

// configFile writes a collector configuration.
func configFile(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "config.yaml")
	require.NoError(tb, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestCacheIsBounded: the embedded proxy evicts what was used least recently, says
// so, and knows it after a restart.
func TestCacheIsBounded(t *testing.T) {
	o := newOrigin(t)
	const modules, zipSize, bound = 10, 100_000, 750_000
	zip := func(i int) string { return fmt.Sprintf("/example.com/m%d/@v/v1.0.0.zip", i) }
	for i := range modules {
		o.add(t, fmt.Sprintf("example.com/m%d", i), zipSize)
	}
	o.files["/example.com/m0/@v/list"] = []byte("v1.0.0\n")
	config := configFile(t, fmt.Sprintf("receivers: {goproxy: {cache: {max_size: %d, list_ttl: 1h}}}\n", bound))
	data := filepath.Join(t.TempDir(), "data")
	env := append(o.goproxy(), "MODTAP_DATA="+data)
	args := []string{"run", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", config}
	m := start(t, env, args...)
	m.data = data

	for i := range modules {
		getOK(t, m.proxy+zip(i))
		if i == 5 { // what was fetched first is used last; exact to a minute, so time is helped on
			for j := range i {
				ago := time.Now().Add(-time.Duration(i-j) * time.Hour)
				require.NoError(t, os.Chtimes(filepath.Join(data, "goproxy", "cache", "download", zip(j)), ago, time.Time{}))
			}
			getOK(t, m.proxy+zip(0))
		}
	}
	require.Eventually(t, func() bool { _, size := m.cacheFiles(); return size <= bound }, time.Minute, 50*time.Millisecond)
	files, size := m.cacheFiles()
	m.until("goproxy_cache_size_bytes{", float64(size))
	m.until("goproxy_cache_files{", float64(files))
	m.until("goproxy_cache_evictions_total{", float64(modules-files))
	m.until(`goproxy_cache_misses_total{goproxy_cache_miss_reason="cold",goproxy_operation="zip"`, modules)

	getOK(t, m.proxy+zip(0))
	assert.Equal(t, 1, o.count(zip(0)), "it was used, so it stayed")
	getOK(t, m.proxy+zip(1))
	assert.Equal(t, 2, o.count(zip(1)))
	m.until(`goproxy_cache_misses_total{goproxy_cache_miss_reason="evicted",goproxy_operation="zip"`, 1)

	for range 2 {
		getOK(t, m.proxy+"/example.com/m0/@v/list")
	}
	assert.Equal(t, 1, o.count("/example.com/m0/@v/list"), "it is fresh for an hour")
	list := filepath.Join(data, "goproxy", "cache", "download", "example.com/m0/@v/list")
	require.NoError(t, os.Chtimes(list, time.Time{}, time.Now().Add(-2*time.Hour)))
	getOK(t, m.proxy+"/example.com/m0/@v/list")
	assert.Equal(t, 2, o.count("/example.com/m0/@v/list"))
	m.until(`goproxy_cache_misses_total{goproxy_cache_miss_reason="expired",goproxy_operation="list"`, 1)
	require.Eventually(t, func() bool { _, size := m.cacheFiles(); return size <= bound }, time.Minute, 50*time.Millisecond)
	files, size = m.cacheFiles()
	m.until("goproxy_cache_files{", float64(files))
	evictions, _ := m.metric("goproxy_cache_evictions_total{")
	m.stop()

	m = start(t, env, args...)
	m.until("goproxy_cache_size_bytes{", float64(size))
	m.until("goproxy_cache_files{", float64(files))
	m.until("goproxy_cache_evictions_total{", evictions)
	getOK(t, m.proxy+zip(2))
	m.until(`goproxy_cache_misses_total{goproxy_cache_miss_reason="evicted",goproxy_operation="zip"`, 1)
	docs := m.documents()
	require.NotEmpty(t, docs)
	assert.Equal(t, "evicted", docs[len(docs)-1].Goproxy.Cache.Miss.Reason)
}
