// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachFile runs a test on the committed file of each target.
func eachFile(t *testing.T, test func(*testing.T, Target, []Object)) {
	for _, target := range Targets() {
		t.Run(target.Name, func(t *testing.T) { test(t, target, committed(t, target)) })
	}
}

// committed decodes a target's file strictly.
func committed(tb testing.TB, target Target) []Object {
	tb.Helper()
	file, err := os.ReadFile(target.File)
	require.NoError(tb, err)
	var objects []Object
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var object Object
		require.NoError(tb, decodeStrict(lines.Bytes(), &object), "%.200s", lines.Text())
		objects = append(objects, object)
	}
	require.NoError(tb, lines.Err())
	require.NotEmpty(tb, objects)
	return objects
}

// TestRender: what is committed is what the source says, and decoding it loses nothing.
func TestRender(t *testing.T) {
	eachFile(t, func(t *testing.T, target Target, objects []Object) {
		want, err := Render(target)
		require.NoError(t, err)
		file, err := os.ReadFile(target.File)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(file), "go generate ./dashboards/kibana")
		var again bytes.Buffer
		for _, object := range objects {
			line, err := encode(object)
			require.NoError(t, err)
			again.Write(append(line, '\n'))
		}
		assert.Equal(t, string(file), again.String())
	})
}

// TestStrict: nothing that the types don't know is passed over, however deep.
func TestStrict(t *testing.T) {
	file, err := os.ReadFile(Targets()[0].File)
	require.NoError(t, err)
	for at, with := range map[string]string{
		`{"id":`:                      `{"extra":1,"id":`,
		`"attributes":{`:              `"attributes":{"extra":1,`,
		`"visState":"{`:               `"visState":"{\"extra\":1,`,
		`\"params\":{\"perPage\"`:     `\"params\":{\"extra\":1,\"perPage\"`,
		`\"params\":{\"field\"`:       `\"params\":{\"extra\":1,\"field\"`,
		`\"params\":{\"urlTemplate\"`: `\"params\":{\"extra\":1,\"urlTemplate\"`,
		`\"gridData\":{`:              `\"gridData\":{\"extra\":1,`,
		`"searchSourceJSON":"{`:       `"searchSourceJSON":"{\"extra\":1,`,
		`\"type\":\"cardinality\"`:    `\"type\":\"extra\"`,
		`"type":"dashboard"`:          `"type":"extra"`,
		`\"type\":\"markdown\"`:       `\"type\":\"extra\"`,
		`"optionsJSON":"{`:            `"optionsJSON":"{}{`,
	} {
		t.Run(at, func(t *testing.T) {
			line := ""
			for l := range strings.Lines(string(file)) {
				if strings.Contains(l, at) {
					line = l
					break
				}
			}
			require.NotEmpty(t, line)
			var object Object
			require.NoError(t, decodeStrict([]byte(line), &object))
			require.Error(t, decodeStrict([]byte(strings.Replace(line, at, with, 1)), new(Object)))
		})
	}
}

// panelRef is the form in which a dashboard names a panel's object.
var panelRef = regexp.MustCompile(`^panel_\d+$`)

// TestReferences: what an object names is in the file, of that type, before it, and nothing is there that nothing names.
func TestReferences(t *testing.T) {
	eachFile(t, func(t *testing.T, _ Target, objects []Object) {
		seen, used := map[string]string{}, map[string]bool{overviewID: true, indexPatternID: true}
		for _, o := range objects {
			assert.Equal(t, map[string]string{o.Type: formatVersions[o.Type]}, o.MigrationVersion, o.ID)
			names := map[string]bool{}
			for _, r := range o.References {
				assert.Equal(t, r.Type, seen[r.ID], "%s refers to %s", o.ID, r.ID)
				assert.False(t, names[r.Name], "%s: %s twice", o.ID, r.Name)
				names[r.Name], used[r.ID] = true, true
			}
			var mentioned []string
			switch a := o.Attributes.(type) {
			case *Search:
				mentioned = []string{a.Meta.SearchSource.Value.IndexRefName}
			case *Visualization:
				if ref := a.Meta.SearchSource.Value.IndexRefName; ref != "" {
					mentioned = []string{ref}
				}
				assert.Equal(t, a.VisState.Value.Type == visMarkdown, len(mentioned) == 0, o.ID)
			case *Dashboard:
				for _, p := range a.Panels.Value {
					assert.Regexp(t, panelRef, p.PanelRefName)
					mentioned = append(mentioned, p.PanelRefName)
				}
			}
			assert.Len(t, mentioned, len(names), o.ID)
			for _, name := range mentioned {
				assert.True(t, names[name], "%s mentions %s", o.ID, name)
			}
			assert.Empty(t, seen[o.ID], "%s is there twice", o.ID)
			seen[o.ID] = o.Type
		}
		for _, link := range links(objects) {
			id := link[strings.LastIndex(link, "/view/")+len("/view/"):]
			id, _, _ = strings.Cut(id, "?")
			kind := map[bool]string{true: typeDashboard, false: typeSearch}[strings.Contains(link, "/app/dashboards#")]
			assert.Equal(t, kind, seen[id], "the link %s", link)
			used[id] = true
		}
		for id := range seen {
			assert.True(t, used[id], "nothing leads to %s", id)
		}
	})
}

// markdownLink is a link in a text.
var markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are all links to objects on the same server.
func links(objects []Object) (found []string) {
	for _, o := range objects {
		switch a := o.Attributes.(type) {
		case *IndexPattern:
			for _, f := range a.FieldFormatMap.Value {
				if strings.HasPrefix(f.Params.URLTemplate, "../app/") {
					found = append(found, f.Params.URLTemplate)
				}
			}
		case *Visualization:
			if p, ok := a.VisState.Value.Params.(*MarkdownParams); ok {
				for _, m := range markdownLink.FindAllStringSubmatch(p.Markdown, -1) {
					found = append(found, m[1])
				}
			}
		}
	}
	return found
}

// TestPanels: they fill their rows and don't overlap.
func TestPanels(t *testing.T) {
	const columns = 48
	eachFile(t, func(t *testing.T, _ Target, objects []Object) {
		for _, o := range objects {
			d, ok := o.Attributes.(*Dashboard)
			if !ok {
				continue
			}
			var taken [][columns]string
			for _, p := range d.Panels.Value {
				g := p.GridData
				assert.Equal(t, p.PanelIndex, g.I)
				require.True(t, g.W >= 6 && g.H >= 4 && g.X >= 0 && g.Y >= 0 && g.X+g.W <= columns, "%s: %+v", o.ID, g)
				for y := g.Y; y < g.Y+g.H; y++ {
					for len(taken) <= y {
						taken = append(taken, [columns]string{})
					}
					for x := g.X; x < g.X+g.W; x++ {
						require.Empty(t, taken[y][x], "%s: panel %s is on that one at %d, %d", o.ID, g.I, x, y)
						taken[y][x] = g.I
					}
				}
			}
			for y, row := range taken {
				assert.NotContains(t, row, "", "%s: row %d isn't full", o.ID, y)
			}
		}
	})
}

// TestWords: each panel says what good looks like, and each title whose it is.
func TestWords(t *testing.T) {
	eachFile(t, func(t *testing.T, target Target, objects []Object) {
		titles := map[string]bool{}
		for _, o := range objects {
			var title, description string
			switch a := o.Attributes.(type) {
			case *Search:
				title, description = a.Title, a.Description
			case *Visualization:
				title, description = a.Title, a.Description
				assert.Equal(t, title, a.VisState.Value.Title)
				if p, ok := a.VisState.Value.Params.(*MarkdownParams); ok {
					assert.Contains(t, p.Markdown, target.DataView)
					description = p.Markdown
				}
			case *Dashboard:
				title, description = a.Title, a.Description
			default:
				continue
			}
			assert.NotEmpty(t, description, o.ID)
			assert.True(t, strings.HasPrefix(title, titlePrefix), o.ID)
			assert.False(t, titles[o.Type+title], "%s twice", title)
			titles[o.Type+title] = true
		}
	})
}

// fieldUse is how an object uses a field.
type fieldUse struct {
	object, field string
	aggregated    bool
	numeric       bool
}

// fieldsOf are all fields that the objects name.
func fieldsOf(tb testing.TB, objects []Object) (uses []fieldUse) {
	tb.Helper()
	inQuery := func(id string, s SearchSource) {
		_, fields, err := translateKQL(s.Query.Query)
		require.NoError(tb, err, id)
		for _, f := range fields {
			uses = append(uses, fieldUse{object: id, field: f})
		}
	}
	for _, o := range objects {
		switch a := o.Attributes.(type) {
		case *IndexPattern:
			uses = append(uses, fieldUse{object: o.ID, field: a.TimeFieldName, aggregated: true})
			for field, format := range a.FieldFormatMap.Value {
				uses = append(uses, fieldUse{object: o.ID, field: field, numeric: format.ID != "url"})
			}
		case *Search:
			inQuery(o.ID, a.Meta.SearchSource.Value)
			for _, c := range a.Columns {
				uses = append(uses, fieldUse{object: o.ID, field: c})
			}
			for _, s := range a.Sort {
				uses = append(uses, fieldUse{object: o.ID, field: s[0], aggregated: true})
			}
		case *Visualization:
			inQuery(o.ID, a.Meta.SearchSource.Value)
			for _, agg := range a.VisState.Value.Aggs {
				switch p := agg.Params.(type) {
				case *MetricAggParams:
					uses = append(uses, fieldUse{o.ID, p.Field, true, agg.Type == "sum" || agg.Type == "avg"})
				case *PercentilesParams:
					uses = append(uses, fieldUse{o.ID, p.Field, true, true})
				case *TermsParams:
					uses = append(uses, fieldUse{object: o.ID, field: p.Field, aggregated: true})
				case *DateHistogramParams:
					uses = append(uses, fieldUse{object: o.ID, field: p.Field, aggregated: true})
				}
			}
		case *Dashboard:
			inQuery(o.ID, a.Meta.SearchSource.Value)
		}
	}
	return uses
}

// TestFields: the exporter's index template maps each field, as a type that allows what is done with it.
func TestFields(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "exporters", "elasticexporter", "template.json"))
	require.NoError(t, err)
	var template struct {
		Template struct {
			Mappings mapping `json:"mappings"`
		} `json:"template"`
	}
	require.NoError(t, json.Unmarshal(text, &template))
	eachFile(t, func(t *testing.T, _ Target, objects []Object) {
		for _, use := range fieldsOf(t, objects) {
			kind := template.Template.Mappings.of(use.field)
			assert.NotEmpty(t, kind, "%s: %s isn't in the template", use.object, use.field)
			if use.aggregated {
				assert.NotContains(t, []string{"text", "object"}, kind, "%s: %s can't be aggregated", use.object, use.field)
			}
			if use.numeric {
				assert.Contains(t, []string{"long", "double"}, kind, "%s: %s is no number", use.object, use.field)
			}
		}
	})
}

// mapping is a mapping of Elasticsearch.
type mapping struct {
	Type       string             `json:"type"`
	Properties map[string]mapping `json:"properties"`
}

// of is the type of a field; empty: it has none.
func (m mapping) of(field string) string {
	for part := range strings.SplitSeq(field, ".") {
		m = m.Properties[part]
	}
	return m.Type
}

// TestAggregations: ids, schemas and orders are those that the visualization's type knows.
func TestAggregations(t *testing.T) {
	schemas := map[string][]string{
		visTable: {"metric", "bucket"}, visMetric: {"metric"}, visHistogram: {"metric", "segment", "group"}, visLine: {"metric", "segment", "group"},
	}
	eachFile(t, func(t *testing.T, _ Target, objects []Object) {
		for _, o := range objects {
			v, ok := o.Attributes.(*Visualization)
			if !ok || v.VisState.Value.Type == visMarkdown {
				continue
			}
			metrics := map[string]string{}
			buckets := 0
			for _, agg := range v.VisState.Value.Aggs {
				assert.Contains(t, schemas[v.VisState.Value.Type], agg.Schema, o.ID)
				assert.NotContains(t, metrics, agg.ID, o.ID)
				metrics[agg.ID] = agg.Type
				p, ok := agg.Params.(*TermsParams)
				if agg.isBucket() {
					buckets++
				}
				if ok {
					assert.NotEmpty(t, metrics[p.OrderBy], "%s is ordered by %s", o.ID, p.OrderBy)
					assert.NotEqual(t, "percentiles", metrics[p.OrderBy], "%s: one of several values", o.ID)
				}
				assert.Equal(t, !ok && agg.Type != "date_histogram", !agg.isBucket(), o.ID)
			}
			assert.Equal(t, v.VisState.Value.Type == visMetric, buckets == 0, o.ID)
			if p, ok := v.VisState.Value.Params.(*ChartParams); ok {
				for _, series := range p.SeriesParams {
					assert.NotEmpty(t, metrics[series.Data.ID], o.ID)
				}
				assert.Equal(t, "segment", v.VisState.Value.Aggs[slices.IndexFunc(v.VisState.Value.Aggs, func(a Agg) bool { return a.isBucket() })].Schema, o.ID)
			}
		}
	})
}

// TestLinks: filled with an id, each link is a URL.
func TestLinks(t *testing.T) {
	eachFile(t, func(t *testing.T, _ Target, objects []Object) {
		formats := objects[0].Attributes.(*IndexPattern).FieldFormatMap.Value
		require.Equal(t, jaeger+"/trace/0af7651916cd43dd8448eb211c80319c", fill(formats["trace.id"], "0af7651916cd43dd8448eb211c80319c"))
		for field, format := range formats {
			if format.ID != "url" {
				continue
			}
			_, err := url.Parse(fill(format, "https://ci.example/1"))
			require.NoError(t, err, field)
			assert.NotContains(t, fill(format, "x"), "{{", field)
		}
	})
}

// fill puts a value where Kibana does.
func fill(format FieldFormat, value string) string {
	return strings.NewReplacer("{{value}}", url.QueryEscape(value), "{{rawValue}}", value).Replace(format.Params.URLTemplate)
}

// TestReadme: the README's addresses and versions are those of the files.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, want := range []string{jaeger, strings.ReplaceAll(indices, "*", `\*`), "/view/" + overviewID, "`" + traceID + "`"} {
		assert.Contains(t, string(readme), want)
	}
	for kind, version := range formatVersions {
		assert.Contains(t, string(readme), "`"+kind+"` "+version)
	}
	for _, target := range Targets() {
		assert.Contains(t, string(readme), "file=@"+target.File)
	}
}
