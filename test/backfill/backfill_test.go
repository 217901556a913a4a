// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards/rules"
	"github.com/modtap/modtap/test/backends"
)

// TestBackfilledWeek runs the rules with their real windows on blocks, as the package's comment tells.
func TestBackfilledWeek(t *testing.T) {
	// The blocks end a little after they are made, so that the first evaluation finds them fresh.
	end := time.Now().Add(75 * time.Second).Truncate(time.Minute)
	blocks := backfill(t, end)
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(copied, os.DirFS(blocks)))
	pattern, removed := hasty(t)
	t.Logf("NOT AS COMMITTED: %d lines \"for:\" are taken out of the rules; windows, thresholds and intervals are real", removed)
	if wait := time.Until(end); wait > 0 {
		t.Logf("%6.1f s  until the last sample", wait.Seconds())
		time.Sleep(wait)
	}
	began := time.Now()
	debian := serve(t, backends.DebianPrometheus(t), blocks, []string{pattern})
	three := serve(t, backends.Find(t, backends.ProgramPrometheus), copied, []string{pattern})
	empty := serve(t, backends.DebianPrometheus(t), t.TempDir(), []string{pattern})

	t.Run("Prometheus of Debian", func(t *testing.T) { check(t, debian, end) })
	t.Run("Prometheus 3", func(t *testing.T) { check(t, three, end) })
	t.Run("no blocks", func(t *testing.T) { checkEmpty(t, empty) })
	t.Logf("%6.1f s  from the start of three Prometheus to the verdict", time.Since(began).Seconds())
}

// check holds a Prometheus on the blocks against the list of cases.
func check(t *testing.T, server *backends.PrometheusServer, end time.Time) {
	p := await(t, server)
	gap := p.evaluated.Sub(end)
	require.Less(t, gap, 3*time.Minute, "this machine took too long: the windows of five minutes run dry")
	want := expected(t, gap)
	t.Logf("evaluated %.0f s after the last sample:\n%s", gap.Seconds(), table(p, want))
	require.NoError(t, judge(p, ruleCount(t), want))
	t.Logf("%d rules, none with an error", ruleCount(t))
	measurements, err := measured(t, server, gap)
	t.Logf("\n%s", measurements)
	require.NoError(t, err)

	// The judgement can fail: it refuses the same page when the fall is expected of the steady proxy.
	swapped := maps.Clone(want)
	fall := key{"collapsed", alert{collapse, "", "warning"}}
	swapped[key{"steady", fall.alert}] = swapped[fall]
	delete(swapped, fall)
	err = judge(p, ruleCount(t), swapped)
	require.ErrorContains(t, err, "silent: steady "+collapse)
	require.ErrorContains(t, err, "fires: collapsed "+collapse)
}

// checkEmpty wants a Prometheus without blocks to be refused, for each alert and each measurement.
func checkEmpty(t *testing.T, server *backends.PrometheusServer) {
	p := await(t, server)
	want := expected(t, 0)
	err := judge(p, ruleCount(t), want)
	require.Error(t, err)
	for k := range want {
		if k != unscraped {
			require.ErrorContains(t, err, "silent: "+k.String())
		}
	}
	_, err = measured(t, server, 0)
	for _, m := range measures {
		require.ErrorContains(t, err, m.series+" of steady: none")
	}
	t.Logf("refused: none of the %d alerts of the proxies fires, and no measurement is there", len(want)-1)
}

// unscraped fires because nothing is scraped here, which is what it is for.
var unscraped = key{"modtap", alert{"ModtapUnscraped", "", "warning"}}

// expected is everything that has to fire.
func expected(tb testing.TB, gap time.Duration) map[key]expectation {
	tb.Helper()
	want := map[key]expectation{unscraped: {value: 1, names: "no target"}}
	for _, p := range proxies() {
		for _, a := range p.fires {
			want[key{p.job, a}] = reckoned{proxy: p, gap: gap}.expect(tb, a)
		}
	}
	return want
}

func ruleCount(tb testing.TB) (n int) {
	tb.Helper()
	files, err := rules.Table(rules.Default())
	require.NoError(tb, err)
	for _, f := range files {
		for _, g := range f.Groups {
			n += len(g.Rules)
		}
	}
	return n
}

// table shows what was expected and what fires, proxy by proxy.
func table(p page, want map[key]expectation) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "job\texpected\tgot\tvalue\treckoned\tsummary")
	told := map[string]bool{}
	for _, k := range union(want, p.firing) {
		told[k.job] = true
		expectation, expected := want[k]
		got, fires := p.firing[k]
		name := strings.TrimPrefix(k.String(), k.job+" ")
		fmt.Fprintf(w, "%s\t%s\t%s\t%.5f\t%.5f\t%s\n", k.job, orSilent(name, expected), orSilent(name, fires), got.value, expectation.value, got.summary)
	}
	for _, one := range proxies() {
		if !told[one.job] {
			fmt.Fprintf(w, "%s\tsilent\tsilent\n", one.job)
		}
	}
	_ = w.Flush()
	return b.String()
}

func orSilent(name string, there bool) string {
	if there {
		return name
	}
	return "silent"
}

// union returns what is wanted or fires, in order.
func union(want map[key]expectation, got map[key]firing) []key {
	all := sorted(want)
	for _, k := range sorted(got) {
		if _, ok := want[k]; !ok {
			all = append(all, k)
		}
	}
	return all
}
