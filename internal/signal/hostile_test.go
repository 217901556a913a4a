// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/modtap/modtap/internal/exchange"
)

// hostile makes an exchange in which clients and an upstream say what nobody has said
// before, in everything that they can choose.
func hostile(r *rand.Rand, i int) *Told {
	word := fmt.Sprintf("x%d", i)
	paths := []string{
		"/a.test/" + word + "/@v/v1.0.0.zip", "/" + word + "/a.test/m/@v/list", "/a.test/m/@v/" + word + ".info", "/" + word,
		"/sumdb/" + word + ".test/lookup/a.test/m@v1.0.0", "/sumdb/" + word + ".test/supported", "/a.test/" + word + "/@latest",
		fmt.Sprintf("/golang.org/toolchain/@v/v0.0.1-go1.%d.linux-amd64.zip", i),
		"/golang.org/toolchain/@v/v0.0.1-go1.2.3-" + word + ".linux-amd64.zip",
		"/golang.org/toolchain/@v/v0.0.1-go1" + word + ".linux-amd64.zip",
		"/golang.org/toolchain/@v/v0.0.1-go1.26.8." + word + "-" + word + ".zip",
	}
	return tell(paths[r.IntN(len(paths))], func(b *exchange.Begin, e *exchange.End) {
		b.Method = []string{"GET", "HEAD", word}[r.IntN(3)]
		b.Client.Name, b.UserAgent, b.ServerAddress = word, word, word
		b.Protocol = word
		e.Status = 200 + r.IntN(800)
		if r.IntN(2) == 0 {
			e.Status = 200
		}
		if r.IntN(2) == 0 {
			e.Cache = exchange.CacheEvidence{Headers: []exchange.Header{
				{Name: "Cache-Status", Value: word + "; fwd=" + word + "; detail=" + word}, {Name: "X-Cache", Value: word},
			}}
		}
		at := &e.Attempts[0]
		at.Method, at.Status = b.Method, 100+r.IntN(900)
		at.URL = "https://" + word + ".test:" + strconv.Itoa(i%65536) + b.Path
		at.Address, at.Port = word+".test", uint16(i)
		at.Origin, at.OriginPort = "hostile.test", 443
		if r.IntN(3) == 0 {
			at.Reason = "not_found"
		}
	})
}

// TestHostileValuesTakeNoSeries: after thousands of new values of every attribute the
// page is small, over a restart too, and who comes then is told by name.
func TestHostileValuesTakeNoSeries(t *testing.T) {
	const flood = 20_000
	m := NewMetrics(resource, BucketsBoth, begun)
	r := rand.New(rand.NewPCG(10, 2300))
	for i := range flood {
		m.Add(hostile(r, i))
	}
	honest := tell(modPath, func(_ *exchange.Begin, e *exchange.End) {
		e.Status, e.Attempts[0].Status = 503, 503
		e.Attempts[0].Address = "honest.test"
	})
	m.Add(honest)
	state, err := m.MarshalBinary()
	require.NoError(t, err)
	again := NewMetrics(resource, BucketsBoth, begun)
	require.NoError(t, again.UnmarshalBinary(state))
	for name, m := range map[string]*Metrics{"running": m, "after a restart": again} {
		snapshot := m.Snapshot(begun.Add(time.Minute), new(Active).Read)
		size := (&pmetric.ProtoMarshaler{}).MetricsSize(snapshot)
		assert.Less(t, size, 4<<20, "case 10: %s", name)
		assert.Contains(t, fmt.Sprint(points(snapshot, "http.client.request.duration", pmetric.MetricTypeHistogram)),
			"map[error.type:503 goproxy.operation:mod goproxy.side:egress http.request.method:GET http.response.status_code:503 server.address:honest.test server.port:443]:1", "case 10: %s", name)
		for _, sm := range snapshot.ResourceMetrics().At(0).ScopeMetrics().All() {
			for _, metric := range sm.Metrics().All() {
				for key := range points(snapshot, metric.Name(), metric.Type()) {
					assert.NotContains(t, key, "otel.metric.overflow", "%s: %s", name, metric.Name())
					if metric.Name() != moduleRequests.Name && metric.Name() != moduleTransferred.Name && metric.Name() != requests.Name {
						assert.NotRegexp(t, `x\d`, key, "%s: %s has a value of somebody else's", name, metric.Name())
					}
				}
			}
		}
	}
}

// TestJunkGivesItsPlaceUp: toolchains that are asked for once leave, also where they
// came first and over a restart.
func TestJunkGivesItsPlaceUp(t *testing.T) {
	m := NewMetrics(resource, BucketsClassic, begun)
	ask := func(name string, after time.Duration) {
		m.Add(tell("/golang.org/toolchain/@v/v0.0.1-"+name+".linux-amd64.zip", func(_ *exchange.Begin, e *exchange.End) { e.Time = begun.Add(after) }))
	}
	for i := range 2000 {
		ask(fmt.Sprintf("go1.%d", i+100), time.Second)
	}
	got := points(m.Snapshot(begun), toolchainRequests.Name, pmetric.MetricTypeSum)
	assert.Len(t, got, maxToolchains+1, "case 10")
	state, err := m.MarshalBinary()
	require.NoError(t, err)
	m = NewMetrics(resource, BucketsClassic, begun)
	require.NoError(t, m.UnmarshalBinary(state))
	for i := range 200 {
		ask("go1.26.8", 2*time.Hour+time.Duration(i)*time.Second)
	}
	found := false
	for key, n := range points(m.Snapshot(begun.Add(3*time.Hour)), toolchainRequests.Name, pmetric.MetricTypeSum) {
		if key == "map[goproxy.toolchain.arch:amd64 goproxy.toolchain.os:linux goproxy.toolchain.version:go1.26.8]" {
			found = n > 100
		}
	}
	assert.True(t, found, "case 10: what is asked for now has a series")
}

func TestToolchainLabel(t *testing.T) {
	for _, tt := range []struct{ version, goos, goarch, want string }{
		{"go1.26.8", "linux", "amd64", "go1.26.8/linux/amd64"},
		{"go1.21rc3", "windows", "386", "go1.21rc3/windows/386"},
		{"go1.21.0-bigcorp", "linux", "armv6l", "go1.21.0/linux/armv6l"},
		{"go1", "linux", "amd64", "go1/linux/amd64"},
		{"go1.x", "linux", "amd64", "_other/linux/amd64"},
		{"go1.999999999999999", "linux", "amd64", "_other/linux/amd64"},
		{"go1.1.1.1", "beos", "z80", "_other/_other/_other"},
		{"go1/../x", "linux/amd64", "x", "_other/_other/_other"},
	} {
		assert.Equal(t, tt.want, toolchainLabel(tt.version, tt.goos, tt.goarch), tt.version)
	}
}

func TestStatusLabel(t *testing.T) {
	for code, want := range map[int]string{
		0: "", 200: "200", 201: "200", 299: "200", 304: "304", 399: "300", 404: "404", 418: "400", 499: "400", 503: "503", 521: "500", 599: "500",
		600: "500", 999: "500", 1000: "500", -1: "500", 1: "500", 103: "100",
	} {
		assert.Equal(t, want, statusLabel(code), "%d", code)
	}
	assert.Equal(t, "timeout", errorLabel("timeout"))
	assert.Equal(t, "500", errorLabel("599"))
	assert.Empty(t, errorLabel(""))
}
