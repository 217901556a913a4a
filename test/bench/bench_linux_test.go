// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/bench"
)

var (
	rounds  = flag.Int("rounds", 5, "number of interleaved rounds")
	scale   = flag.Float64("scale", 1, "factor for the number of requests")
	proxies = flag.String("proxies", "", "regular expression for the proxies to compare; ReverseProxy always is")
	kinds   = flag.String("files", "", "regular expression for the files to ask for")
	modtap  = flag.String("modtap", "", "path of a Modtap to measure (default: built from the checkout)")
)

const (
	connections = 32
	// settle is the wait before the processor time is read again: telemetry is told later than the request that it is about.
	settle = 4 * time.Second
	// within bounds one measurement.
	within = 20 * time.Second
)

// cases are the files to ask for, and how often: a measurement takes a second or more of processor time.
var cases = []struct {
	name     string
	module   bench.Module
	kind     string
	requests int
	target   float64 // the most that Modtap with three signals should take, as a ratio to ReverseProxy; 0: none
}{
	{"`.info` of 160 B", bench.Small, "info", 40000, 1.3},
	{"`.mod` of 1.5 KB", bench.Small, "mod", 40000, 0},
	{"`.zip` of 100 KB", bench.Small, "zip", 15000, 1.15},
	{"`.zip` of 10 MB", bench.Large, "zip", 200, 0},
}

// BenchmarkProxies prints its own tables, so it doesn't look at b.N.
func BenchmarkProxies(b *testing.B) {
	s := site{peer: build(b, "./peer"), modtap: *modtap}
	if s.modtap == "" {
		s.modtap = build(b, "../..")
	}
	_, s.origin = peer(b, s.peer, "origin")
	compared := startAll(b, s)
	series := make([][]bench.Series, len(cases)) // by case and proxy
	for i := range cases {
		for _, p := range compared {
			series[i] = append(series[i], bench.Series{Proxy: p.name})
		}
	}
	for round := range *rounds {
		for i, c := range cases {
			if !regexp.MustCompile(*kinds).MatchString(c.name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s\n", round+1, *rounds, c.name)
			path, _, err := c.module.File(c.kind)
			require.NoError(b, err)
			for j, p := range compared {
				measure(b, p, path, max(connections, int(*scale*float64(c.requests))), &series[i][j])
			}
		}
	}
	fmt.Println(report(b, compared, series))
}

// startAll starts the proxies and sees that each answers what the origin does, which also fills caches.
func startAll(b *testing.B, s site) (compared []*proxy) {
	b.Helper()
	for _, st := range starters {
		if st.name != bare && !regexp.MustCompile(*proxies).MatchString(st.name) {
			continue
		}
		p := st.start(b, s)
		p.name = st.name
		compared = append(compared, p)
		for _, c := range cases {
			path, want, err := c.module.File(c.kind)
			require.NoError(b, err)
			var body []byte
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				if body, err = fetch(b, "http://"+p.address+path); err == nil || time.Now().After(deadline) {
					break
				}
			}
			require.NoError(b, err, p.name)
			p.asked++
			require.True(b, p.rewrites || string(body) == string(want), "%s changes %s", p.name, path)
		}
	}
	return compared
}

// measure asks a proxy for a file and adds what that took to its series.
func measure(b *testing.B, p *proxy, path string, requests int, s *bench.Series) {
	b.Helper()
	body, err := fetch(b, "http://"+p.address+path)
	require.NoError(b, err)
	load := bench.Load{Address: p.address, Path: path, Size: len(body), Connections: connections, Requests: requests, Within: within}

	stop := p.scrape(b)
	before, err := bench.UsageOf(os.DirFS("/proc"), p.pid)
	require.NoError(b, err)
	result, err := load.Run(b.Context())
	require.NoError(b, err, p.name)
	time.Sleep(settle)
	after, err := bench.UsageOf(os.DirFS("/proc"), p.pid)
	require.NoError(b, err)
	stop()

	n := len(result.Latencies)
	p.asked += n + 1
	s.Processor = append(s.Processor, (after.Processor-before.Processor).Seconds()/float64(n))
	s.PerSecond = append(s.PerSecond, result.PerSecond())
	s.P50 = append(s.P50, bench.Quantile(result.Latencies, 0.5).Seconds())
	s.P99 = append(s.P99, bench.Quantile(result.Latencies, 0.99).Seconds())
}

// scrape reads the proxy's metrics once a second until the returned function is called.
func (p *proxy) scrape(b *testing.B) (stop func()) {
	b.Helper()
	if p.metrics == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(b.Context())
	var scraping sync.WaitGroup
	var fault error
	scraping.Go(func() {
		for every := time.NewTicker(time.Second); fault == nil; {
			select {
			case <-ctx.Done():
				every.Stop()
				return
			case <-every.C:
				_, fault = fetch(b, p.metrics)
			}
		}
	})
	return func() {
		cancel()
		scraping.Wait()
		require.NoError(b, fault, "metrics of %s", p.name)
	}
}

// report writes the tables, the memory, and how much of what was asked was told.
func report(b *testing.B, compared []*proxy, series [][]bench.Series) string {
	b.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "Medians of %d interleaved rounds, %d connections, loopback. Processor time is that of the proxy's processes, "+
		"from the first request to %v after the last.\nThe ratio is to %s in the same round.\n", *rounds, connections, settle, bare)
	for i, c := range cases {
		if len(series[i][0].Processor) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n### %s\n\n", c.name)
		bench.WriteTable(&text, bare, series[i])
		for _, s := range series[i] {
			if s.Proxy == threeSignals && c.target > 0 {
				ratio := bench.Median(bench.Ratios(s.Processor, series[i][0].Processor))
				fmt.Fprintf(&text, "\nTarget for %s: at most %.2f; %s.\n", s.Proxy, c.target, verdict(ratio, c.target))
			}
		}
	}
	text.WriteString("\n### Memory and telemetry\n\n| proxy | peak RSS | requests | told |\n|---|--:|--:|---|\n")
	for _, p := range compared {
		usage, err := bench.UsageOf(os.DirFS("/proc"), p.pid)
		require.NoError(b, err)
		told := ""
		if p.told != nil {
			told = p.told()
		}
		fmt.Fprintf(&text, "| %s | %d MiB | %d | %s |\n", p.name, usage.PeakRSS>>20, p.asked, cmp.Or(told, "-"))
	}
	return text.String()
}

func verdict(ratio, target float64) string {
	if ratio <= target {
		return fmt.Sprintf("met with %.2f", ratio)
	}
	return fmt.Sprintf("missed with %.2f", ratio)
}
