// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	promql "github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/dashboards/picture"
	"github.com/modtap/modtap/dashboards/rules"
)

// silent are the panels' queries for which the rehearsal makes nothing, by [dashboards.Query.String], and why.
func silent() map[string]string {
	return map[string]string{
		`modtap-cache "Evidence conflicts" A`: "no proxy here says in a header what isn't so; test/e2e (signals_test.go) has one",
		`modtap-upstreams "Time left" A`:      "upstreams speak plain HTTP here; test/e2e (chain_test.go) has one with a certificate",
	}
}

// TestSilentQueries: each is one of a dashboard's.
func TestSilentQueries(t *testing.T) {
	all, err := dashboards.Queries()
	require.NoError(t, err)
	there := map[string]bool{}
	for i := range all {
		there[all[i].String()] = true
	}
	for name := range silent() {
		assert.True(t, there[name], "%s isn't there any more: silent() is to follow", name)
	}
}

// asked is one query with its answers, by the observed proxy.
type asked struct {
	dashboards.Query
	answers map[string]picture.Answer
	found   map[string]int // series, cells, documents, traces or spans that can be shown
}

// backendsOf are the data sources over the rehearsal's time.
type backendsOf struct {
	prometheus prometheus
	documents  documents
	jaeger     jaeger
}

// jobs are the observed proxies: Athens between the taps, and the embedded proxy.
var jobs = []string{"athens", "goproxy"}

func (r *rehearsal) backends() backendsOf {
	from, to := r.began, time.Now().Add(-time.Second)
	return backendsOf{
		prometheus: prometheus{url: r.stack.Services["prometheus"].URL(9090), from: from, to: to, step: 5 * time.Second},
		documents:  documents{url: r.stack.Services["elasticsearch"].URL(9200) + "/modtap-requests-*", from: from, to: to},
		jaeger:     jaeger{url: r.stack.Services["jaeger"].URL(16686), from: from, to: to},
	}
}

// coverage asks every query of every panel, variable and rule of the real servers, prints what came, and draws the dashboards from it.
func (r *rehearsal) coverage(t *testing.T) {
	r.embedded.client.variety()
	r.builds()
	r.usualKnown(t)
	b := r.backends()
	all, err := dashboards.Queries()
	require.NoError(t, err)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "dashboard\tpanel or variable\tquery\tseries, documents, traces: athens\tgoproxy\tverdict")
	answered := make([]asked, len(all))
	patience := time.Now().Add(90 * time.Second) // Until sessions are over, told and scraped, all together.
	reasons := silent()
	for i := range all {
		q := &all[i]
		reason, quiet := reasons[q.String()]
		answered[i] = b.ask(t, q)
		for answered[i].found["athens"]+answered[i].found["goproxy"] == 0 && !quiet && time.Now().Before(patience) {
			time.Sleep(time.Second)
			b = r.backends() // Up to now.
			answered[i] = b.ask(t, q)
		}
		n := answered[i].found
		verdict := "data"
		switch {
		case n["athens"]+n["goproxy"] == 0 && quiet:
			verdict = "silent: " + reason
		case n["athens"]+n["goproxy"] == 0:
			verdict = "NOTHING"
		case quiet:
			verdict = "data, though it is listed as silent"
		}
		assert.True(t, verdict == "data" || strings.HasPrefix(verdict, "silent: "), "%s: %s: %s", q, verdict, shown(q))
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", q.Dashboard, cmp.Or(q.Panel, "$"+q.Variable), shown(q), n["athens"], n["goproxy"], verdict)
	}
	r.rules(t, w, b.prometheus)
	require.NoError(t, w.Flush())
	r.table(t, fmt.Sprintf("Coverage: %d queries of panels and variables, and each rule, over %.0f s", len(all), b.prometheus.to.Sub(b.prometheus.from).Seconds()), table.String())
	t.Run("pictures", func(t *testing.T) { draw(t, &b, answered) })
}

// usualKnown waits until there is a usual hit ratio: the rule needs 360 of its evaluations, and those of the last minute don't count.
func (r *rehearsal) usualKnown(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		p := r.backends().prometheus
		if len(p.evaluate(t, "job:goproxy_hit_ratio:avg1w", true)) > 0 {
			return
		}
	}
}

// shown is a query in a table.
func shown(q *dashboards.Query) string {
	s := q.PromQL
	switch {
	case q.Elasticsearch != nil:
		s = *q.Elasticsearch.Query
	case q.Jaeger != nil:
		s = fmt.Sprint(cmp.Or[any](q.Jaeger["queryType"], q.Jaeger["query"]), " ", cmp.Or[any](q.Jaeger["tags"], ""))
	case q.Field != "":
		s = "terms of " + q.Field
	}
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 100 {
		s = s[:97] + "..."
	}
	return s
}

// ask runs a query for each proxy.
func (b *backendsOf) ask(t *testing.T, q *dashboards.Query) asked {
	t.Helper()
	a := asked{Query: *q, answers: map[string]picture.Answer{}, found: map[string]int{}}
	for _, job := range jobs {
		answer, n := b.askFor(t, q, b.values(t, q, job))
		answer.RefID = q.RefID
		a.answers[job], a.found[job] = answer, n
	}
	return a
}

func (b *backendsOf) askFor(t *testing.T, q *dashboards.Query, values map[string]string) (picture.Answer, int) {
	t.Helper()
	expand := func(text string) string {
		expanded, err := dashboards.Expand(text, values)
		require.NoError(t, err, "%s", q)
		return expanded
	}
	switch {
	case q.PromQL != "":
		answer := answerOf(q.Legend, b.prometheus.evaluate(t, expand(q.PromQL), q.Instant))
		n := 0
		if finite(&answer) {
			n = max(len(answer.Series), len(answer.Cells))
		}
		return answer, n
	case q.Elasticsearch != nil:
		hits, answer := b.documents.evaluate(t, q.Elasticsearch, expand(*q.Elasticsearch.Query))
		if len(answer.Series) == 0 && len(answer.Rows.Cells) == 0 {
			hits = 0
		}
		return answer, hits
	case q.Jaeger != nil:
		n, answer := b.jaeger.evaluate(t, q.Jaeger, values)
		return answer, n
	}
	f := b.documents.search(t, dsl{"size": 0, "query": b.documents.filter("*"), "aggs": dsl{"1": dsl{"terms": dsl{"field": q.Field, "size": 500}}}})
	return picture.Answer{}, strings.Count(string(f.Aggregations["1"]), `"key"`)
}

// values are those of the variables that select all of a proxy.
func (b *backendsOf) values(t *testing.T, q *dashboards.Query, job string) map[string]string {
	t.Helper()
	values := dashboards.Everything(job, fmt.Sprintf("%ds", int(b.prometheus.to.Sub(b.prometheus.from).Seconds())))
	values["__rate_interval"], values["__interval"] = "15s", "5s"
	if q.PromQL == "" {
		values["instance"], values["module"], values["outcome"], values["query"], values["trace"] = "*", "* OR *:*", "*", "*", ""
	}
	if q.Jaeger != nil && q.Jaeger["query"] == "$trace" {
		values["trace"] = b.longest(t, job)
	}
	return values
}

// longest is the trace with the most spans that fit on a screen, as somebody would open it.
func (b *backendsOf) longest(t *testing.T, job string) string {
	t.Helper()
	all := b.jaeger.traces(t, "/api/traces?limit=200&service="+job)
	all = slices.DeleteFunc(all, func(one trace) bool { return len(one.Spans) > 60 })
	require.NotEmpty(t, all)
	return slices.MaxFunc(all, func(a, c trace) int { return cmp.Compare(len(a.Spans), len(c.Spans)) }).TraceID
}

// rules: each recorded series is there, and each alert that a step raised was evaluated to it.
func (r *rehearsal) rules(t *testing.T, w *tabwriter.Writer, p prometheus) {
	t.Helper()
	files, err := rules.Table(rehearsed())
	require.NoError(t, err)
	raised := map[string]bool{}
	for _, n := range r.pager.since(r.began) {
		raised[n.Labels["alertname"]] = true
	}
	for _, s := range steps() {
		for _, key := range s.held {
			raised[strings.Fields(key)[0]] = true
		}
	}
	window := fmt.Sprintf("[%ds]", int(p.to.Sub(p.from).Seconds()))
	for _, f := range files {
		for _, g := range f.Groups {
			for _, rule := range g.Rules {
				if rule.Record != "" {
					n := len(p.evaluate(t, "count_over_time("+rule.Record+window+")", true))
					verdict := "data"
					if n == 0 {
						verdict = "NOTHING"
					}
					assert.Positive(t, n, "%s records nothing", rule.Record)
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t\t%s\n", f.Name, rule.Record, "recorded", n, verdict)
					continue
				}
				n := len(p.evaluate(t, fmt.Sprintf("count_over_time(ALERTS{alertname=%q,alertstate=\"firing\"}%s)", rule.Alert, window), true))
				verdict := "not provoked here: promtool's tests and the backfilled week do"
				if raised[rule.Alert] {
					verdict = "fired"
					assert.Positive(t, n, rule.Alert)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t\t%s\n", f.Name, rule.Alert, cmp.Or(rule.Labels["window"], "alert"), n, verdict)
			}
		}
	}
}

// draw draws each dashboard, as Grafana loads it, for the proxy that has more to show in it, and holds the picture against the answers.
func draw(t *testing.T, b *backendsOf, answered []asked) {
	boards, err := dashboards.Dashboards()
	require.NoError(t, err)
	for i := range boards {
		d := &boards[i]
		t.Run(*d.Uid, func(t *testing.T) {
			job := fuller(answered, *d.Uid)
			answers := map[uint32][]picture.Answer{}
			for _, q := range answered {
				if q.Dashboard == *d.Uid && q.PanelID != 0 {
					answers[q.PanelID] = append(answers[q.PanelID], q.answers[job])
				}
			}
			b.addExemplars(t, d, job, answers)
			raw, err := os.ReadFile(filepath.Join("..", "..", "dashboards", "grafana", *d.Uid+".json"))
			require.NoError(t, err)
			loaded := new(dashboard.Dashboard)
			require.NoError(t, loaded.UnmarshalJSONStrict(raw))
			var out bytes.Buffer
			drawn, err := picture.Draw(&out, loaded, answers, b.prometheus.from, b.prometheus.to)
			require.NoError(t, err)
			for _, one := range drawn {
				holds(t, &one, answers[one.ID], b.prometheus.from, b.prometheus.to)
			}
			keep(t, *d.Uid+".png", out.Bytes())
		})
	}
}

// fuller is the proxy for which more queries of a dashboard have an answer.
func fuller(answered []asked, uid string) string {
	n := map[string]int{}
	for _, q := range answered {
		for _, job := range jobs {
			if q.Dashboard == uid && q.found[job] > 0 {
				n[job]++
			}
		}
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(n)), func(a, b string) int { return cmp.Compare(n[a], n[b]) })
}

// addExemplars asks for those of the panels that show them.
func (b *backendsOf) addExemplars(t *testing.T, d *dashboard.Dashboard, job string, answers map[uint32][]picture.Answer) {
	t.Helper()
	for _, p := range dashboards.Panels(d) {
		for i, target := range p.Targets {
			q, ok := target.(promql.Dataquery)
			if ok && q.Exemplar != nil && *q.Exemplar && len(answers[*p.Id]) > i {
				expression, err := dashboards.Expand(q.Expr, b.values(t, &dashboards.Query{PromQL: q.Expr}, job))
				require.NoError(t, err)
				for _, e := range b.prometheus.exemplars(t, expression) {
					answers[*p.Id][i].Exemplars = append(answers[*p.Id][i].Exemplars, picture.Point{Time: e.at, Value: e.value})
				}
			}
		}
	}
}
