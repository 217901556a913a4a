// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"testing"
)

// prometheus3Recipe builds Prometheus 3 and its promtool. What finds targets in clouds is left out: it is most of the build.
var prometheus3Recipe = recipe{
	name: "prometheus3", title: "Prometheus 3.13.2", cold: "3 min",
	tools:  []tool{goTool},
	inputs: []string{"prometheus3/go.mod", "prometheus3/go.sum"},
	more:   []string{runtime.Version(), prometheus3Tags},
	build: func(ctx context.Context, modules, dir string) error {
		return run(ctx, filepath.Join(modules, "prometheus3"), []string{"GOFLAGS=-mod=readonly", "GOWORK=off"},
			"go", "build", "-buildvcs=false", "-tags", prometheus3Tags, "-o", dir,
			"github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool")
	},
}

const prometheus3Tags = "remove_all_sd"

// Prometheus3 starts a Prometheus 3 that reads native beside classic histograms, keeps exemplars, and takes metrics over OTLP at
// /api/v1/otlp and by remote write at /api/v1/write. Debian's, without any of these, is [Prometheus].
func Prometheus3(tb testing.TB, o PrometheusOptions) *PrometheusServer {
	tb.Helper()
	dir := need(tb, prometheus3Recipe)
	server := launch(tb, prometheus3Recipe.title, 1, func(root string, ports []int) plan {
		file := filepath.Join(root, "prometheus.yml")
		writeConfig(tb, file, func(w io.Writer) error {
			if err := writeScrapes(w, o, "scrape_native_histograms: true", "always_scrape_classic_histograms: true"); err != nil {
				return err
			}
			// A queue may send again what is older than what came in between.
			_, err := fmt.Fprintln(w, "storage: {tsdb: {out_of_order_time_window: 10m}}")
			return err
		})
		address := loopback(ports[0])
		return plan{
			command: command{
				path: filepath.Join(dir, "prometheus"),
				args: append([]string{
					"--config.file", file, "--storage.tsdb.path", filepath.Join(root, "data"), "--web.listen-address", address,
					"--enable-feature=exemplar-storage", "--web.enable-otlp-receiver", "--web.enable-remote-write-receiver", "--log.level=warn",
				}, o.Args...),
			},
			url:   "http://" + address,
			ready: answers("http://" + address + "/-/ready"),
		}
	})
	return &PrometheusServer{Server: server}
}

// Promtool3 returns the path of Prometheus 3's promtool, whose rule tests know native histograms.
func Promtool3(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(need(tb, prometheus3Recipe), "promtool")
}
