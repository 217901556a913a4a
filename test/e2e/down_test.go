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

	"github.com/modtap/modtap/test/port"
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

// refused is the URL of an address where nothing listens.
func refused(tb testing.TB) string {
	tb.Helper()
	return "http://" + port.Address(tb)
}

const (
	rounds   = 7   // of a comparison
	requests = 300 // of a round, one after the other
	attempts = 8   // at the comparison: the machine is noisy
)

// TestBackendsDown: with every backend down or hanging no download fails, and
// median latency is within 5 % of a Modtap without backends, request by request in turn.
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
			require.Eventually(t, func() bool { return len(m.documents()) >= rounds*requests }, time.Minute, 100*time.Millisecond,
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
		of, against := medianLatencies(t, a, b)
		ratios = append(ratios, float64(of)/float64(against))
		medians = append(medians, of)
	}
	slices.Sort(ratios)
	slices.Sort(medians)
	t.Logf("median latency %v, ratio to the control by rounds: %.3f", medians[rounds/2], ratios)
	return ratios[rounds/2]
}

// medianLatencies downloads a warm zip again and again over one connection to each,
// in turn: whatever else the machine does weighs on both.
func medianLatencies(t *testing.T, a, b *modtap) (of, against time.Duration) {
	t.Helper()
	var times [2][]time.Duration
	var clients [2]*http.Client
	for i := range clients {
		transport := new(http.Transport)
		defer transport.CloseIdleConnections()
		clients[i] = &http.Client{Transport: transport}
	}
	for n := range 2 * requests {
		which := (n + n/2) % 2 // each is the first of a pair as often as the other
		times[which] = append(times[which], latency(t, clients[which], [2]*modtap{a, b}[which]))
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times[0][requests/2], times[1][requests/2]
}

func latency(t *testing.T, client *http.Client, m *modtap) time.Duration {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.proxy+"/example.com/m/@v/v1.0.0.zip", http.NoBody)
	require.NoError(t, err)
	begun := time.Now()
	resp, err := client.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return time.Since(begun)
}
