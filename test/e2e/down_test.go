// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blackhole accepts connections and never answers, as a hanging backend does.
func blackhole(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	var mu sync.Mutex
	var held []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
		}
	}()
	tb.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range held {
			c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

// refused is an address where nothing listens.
func refused(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	return "http://" + l.Addr().String()
}

const (
	rounds   = 7   // of a comparison
	requests = 300 // of a round, one after the other
	attempts = 4   // at the comparison: the machine is noisy
)

// TestBackendsDown: with every backend down or hanging no download fails, and
// median latency is within 5 % of a Modtap without backends, in interleaved rounds.
func TestBackendsDown(t *testing.T) {
	o := newOrigin(t)
	o.add(t, "example.com/m", 100<<10)
	control := start(t, append(o.goproxy(), "MODTAP_LOG=off"))
	for name, env := range map[string][]string{
		"down":    {"MODTAP_JAEGER=" + refused(t), "MODTAP_ELASTICSEARCH=" + refused(t)},
		"hanging": {"MODTAP_JAEGER=" + blackhole(t), "MODTAP_ELASTICSEARCH=" + blackhole(t)},
	} {
		t.Run(name, func(t *testing.T) {
			m := start(t, append(o.goproxy(), env...))
			var ratio float64
			for range attempts {
				ratio = compare(t, m, control)
				if ratio <= 1.05 {
					break
				}
			}
			assert.LessOrEqual(t, ratio, 1.05, "median of the rounds' ratios, the best of %d attempts", attempts)
			require.Eventually(t, func() bool { return len(m.documents()) >= rounds*requests }, 10*time.Second, 100*time.Millisecond,
				"the log on disk isn't held back")
			if name == "down" {
				assert.Contains(t, m.output.String(), "exporting fails", "said so on standard error")
			}
		})
	}
}

// compare returns how the median latency of a relates to b's.
func compare(t *testing.T, a, b *modtap) float64 {
	t.Helper()
	var ratios []float64
	var medians []time.Duration
	for range rounds {
		of, against := medianLatency(t, a), medianLatency(t, b)
		ratios = append(ratios, float64(of)/float64(against))
		medians = append(medians, of)
	}
	slices.Sort(ratios)
	slices.Sort(medians)
	t.Logf("median latency %v, ratio to the control by rounds: %.3f", medians[rounds/2], ratios)
	return ratios[rounds/2]
}

// medianLatency downloads a warm zip again and again over one connection.
func medianLatency(t *testing.T, m *modtap) time.Duration {
	t.Helper()
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	times := make([]time.Duration, requests)
	for i := range times {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.proxy+"/example.com/m/@v/v1.0.0.zip", http.NoBody)
		require.NoError(t, err)
		begun := time.Now()
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	return times[requests/2]
}
