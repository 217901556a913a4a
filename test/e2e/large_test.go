// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// peakMemory is the most that the process ever held, in MB.
func (m *modtap) peakMemory() int {
	m.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	require.NoError(m.tb, err)
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(m.tb, peak)
	kb, err := strconv.Atoi(string(peak[1]))
	require.NoError(m.tb, err)
	return kb >> 10
}

// TestLargeZip streams a zip of 300 MB: the process stays below 100 MB.
func TestLargeZip(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/large", 300<<20)
	const zipPath = "/example.com/large/@v/v1.0.0.zip"
	for name, upstream := range map[string]string{"forwarded": o.URL, "embedded": "embedded"} {
		t.Run(name, func(t *testing.T) {
			m := start(t, append(o.goproxy(), "MODTAP_UPSTREAM="+upstream))
			for range 2 { // embedded: a miss, then a hit
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, m.proxy+zipPath, http.NoBody)
				require.NoError(t, err)
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				n, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				require.NoError(t, err)
				assert.Equal(t, int64(len(o.files[zipPath])), n)
			}
			t.Logf("peak memory of the process: %d MB", m.peakMemory())
			assert.Less(t, m.peakMemory(), 100)
		})
	}
}
