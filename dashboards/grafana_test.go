// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/dashboards"
)

// TestRenderIsCommitted compares the source with what is committed.
func TestRenderIsCommitted(t *testing.T) {
	files, err := dashboards.Render()
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join("grafana", "*.json"))
	require.NoError(t, err)
	require.Len(t, paths, len(files), "run go generate ./dashboards")
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("grafana", name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s: run go generate ./dashboards", name)
	}
}

// TestStrictDecodingRefuses shows that the decoding of committed isn't lenient.
func TestStrictDecodingRefuses(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("grafana", dashboards.UIDOverview+".json"))
	require.NoError(t, err)
	require.NoError(t, new(dashboard.Dashboard).UnmarshalJSONStrict(raw))
	for name, change := range map[string][2]string{
		"of a dashboard": {`"refresh": "1m"`, `"refreshes": "1m"`},
		"of a panel":     {`"description": "Share`, `"descriptions": "Share`},
		"of a query":     {`"expr": "`, `"expression": "`},
		"of options":     {`"graphMode": "none"`, `"graphModes": "none"`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(raw), change[0], change[1], 1)
			require.NotEqual(t, string(raw), changed)
			assert.Error(t, new(dashboard.Dashboard).UnmarshalJSONStrict([]byte(changed)))
		})
	}
}

// TestLayout: panels lie side by side inside the grid, each below the row it belongs to.
func TestLayout(t *testing.T) {
	for uid, d := range committed(t) {
		taken := map[[2]uint32]string{}
		ids := map[uint32]bool{}
		place := func(id uint32, title string, p *dashboard.GridPos, taken map[[2]uint32]string) {
			assert.False(t, ids[id], "%s: id %d is taken twice", uid, id)
			ids[id] = true
			require.NotNil(t, p, "%s: %q has no place", uid, title)
			assert.Positive(t, p.W*p.H, "%s: %q has no size", uid, title)
			assert.LessOrEqual(t, p.X+p.W, uint32(24), "%s: %q is wider than the grid", uid, title)
			for x := p.X; x < p.X+p.W; x++ {
				for y := p.Y; y < p.Y+p.H; y++ {
					assert.Empty(t, taken[[2]uint32{x, y}], "%s: %q covers", uid, title)
					taken[[2]uint32{x, y}] = title
				}
			}
		}
		for _, entry := range d.Panels {
			if p := entry.Panel; p != nil {
				place(*p.Id, *p.Title, p.GridPos, taken)
				continue
			}
			row := entry.RowPanel
			place(row.Id, *row.Title, row.GridPos, taken)
			assert.Equal(t, row.Collapsed, len(row.Panels) > 0, "%s: only a folded row holds panels", uid)
			folded := map[[2]uint32]string{}
			for _, p := range row.Panels {
				place(*p.Id, *p.Title, p.GridPos, folded)
			}
		}
	}
}

// TestPanels: a reader of a panel knows the unit, what good looks like, and what it means that there is nothing.
func TestPanels(t *testing.T) {
	for uid, d := range committed(t) {
		assert.NotEmpty(t, d.Description, uid)
		assert.Contains(t, d.Tags, "modtap", uid)
		titles := map[string]bool{}
		for _, p := range dashboards.Panels(d) {
			name := uid + " " + *p.Title
			require.NotNil(t, p.Description, name)
			assert.Contains(t, *p.Description, "Good: ", "%s says what good looks like", name)
			assert.NotEmpty(t, p.Targets, "%s asks nothing", name)
			assert.NotNil(t, p.Datasource, name)
			defaults := p.FieldConfig.Defaults
			require.NotNil(t, defaults.Unit, "%s has no unit", name)
			assert.NotEmpty(t, *defaults.Unit, name)
			require.NotNil(t, defaults.NoValue, "%s says nothing without data", name)
			assert.NotEmpty(t, *defaults.NoValue, name)
			raw, err := json.Marshal(p)
			require.NoError(t, err)
			assert.NotContains(t, string(raw), `"nullValueMode"`, name)
			assert.NotContains(t, string(raw), `"spanNulls":true`, "%s: a gap stays one", name)
			titles[*p.Title] = true
		}
		assert.NotEmpty(t, titles, uid)
	}
}

// TestDivisions: a ratio over no traffic is nothing, neither NaN nor 0.
func TestDivisions(t *testing.T) {
	divisor := regexp.MustCompile(`[^0-9] / ([^ ]+)`)
	for _, q := range queries(t) {
		for _, m := range divisor.FindAllStringSubmatch(strings.ReplaceAll(q.PromQL, "\n", " "), -1) {
			constant := regexp.MustCompile(`^[0-9(]`).MatchString(m[1])
			bound := strings.Contains(m[1], "_max_size_")
			assert.True(t, constant || bound, "%s divides by %s, which may be 0: guard it with (... > 0)", &q, m[1])
		}
	}
}

var (
	dashboardURL = regexp.MustCompile(`/d/([a-z-]+)`)
	variableURL  = regexp.MustCompile(`[&?]var-(\w+)=`)
	keptURL      = regexp.MustCompile(`\$\{(\w+):queryparam\}`)
)

// TestLinks: every link leads to a dashboard that is there, with variables that it has, and keeps the time range and the selection.
func TestLinks(t *testing.T) {
	all := committed(t)
	linked := 0
	for uid, d := range all {
		require.Len(t, d.Links, 1, uid)
		assert.Equal(t, []string{"modtap"}, d.Links[0].Tags)
		assert.True(t, d.Links[0].KeepTime && d.Links[0].IncludeVars, uid)
		for _, p := range dashboards.Panels(d) {
			for _, url := range links(t, p) {
				linked++
				if strings.HasPrefix(url, "/explore?") {
					for _, part := range []string{"${__from}", "${__to}", "${jaeger}", "${job}", "${__value.raw}"} {
						assert.Contains(t, url, part, "%s %s", uid, *p.Title)
					}
					continue
				}
				m := dashboardURL.FindStringSubmatch(url)
				require.NotNil(t, m, url)
				target := all[m[1]]
				require.NotNil(t, target, "%s %s: no dashboard %s", uid, *p.Title, m[1])
				assert.Contains(t, url, "${__url_time_range}")
				for _, v := range append(variableURL.FindAllStringSubmatch(url, -1), keptURL.FindAllStringSubmatch(url, -1)...) {
					assert.Contains(t, names(target), v[1], "%s %s: the link sets a variable that %s hasn't", uid, *p.Title, m[1])
				}
				for _, v := range keptURL.FindAllStringSubmatch(url, -1) {
					assert.Contains(t, names(d), v[1], "%s %s: the link keeps a variable that isn't here", uid, *p.Title)
				}
			}
		}
	}
	assert.Greater(t, linked, 30)
}

// TestTablesOfModulesLink: a module in a table leads to its logs and its traces.
func TestTablesOfModulesLink(t *testing.T) {
	for uid, d := range committed(t) {
		for _, p := range dashboards.Panels(d) {
			raw, err := json.Marshal(p.Transformations)
			require.NoError(t, err)
			if p.Type != "table" || !strings.Contains(string(raw), `:"Module"`) {
				continue
			}
			urls := strings.Join(links(t, p), "\n")
			assert.Contains(t, urls, "/d/"+dashboards.UIDLogs, "%s %s", uid, *p.Title)
			assert.Contains(t, urls, "/explore?", "%s %s", uid, *p.Title)
		}
	}
}

// TestVariables: each board has the variables that the others keep, and uses what it has.
func TestVariables(t *testing.T) {
	for uid, d := range committed(t) {
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		all := names(d)
		kept := []string{"datasource", "elasticsearch", "jaeger", "environment", "job", "instance"}
		for _, name := range kept {
			assert.Contains(t, all, name, uid)
		}
		for _, name := range all {
			used := regexp.MustCompile(`\$(` + name + `\b|\{` + name + `[:}])`).Match(raw)
			assert.True(t, used || slices.Contains(kept, name), "%s doesn't use $%s", uid, name)
		}
		for _, m := range regexp.MustCompile(`\$\{?([a-z][a-z_]+)`).FindAllStringSubmatch(string(raw), -1) {
			assert.Contains(t, all, m[1], "%s has no variable $%s", uid, m[1])
		}
	}
}

func names(d *dashboard.Dashboard) []string {
	all := make([]string, 0, len(d.Templating.List))
	for _, v := range d.Templating.List {
		all = append(all, v.Name)
	}
	slices.Sort(all)
	return all
}

// links returns the URLs of a panel's links in cells.
func links(t *testing.T, p *dashboard.Panel) []string {
	t.Helper()
	var urls []string
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			if property.Id != "links" {
				continue
			}
			raw, err := json.Marshal(property.Value)
			require.NoError(t, err)
			var list []struct {
				URL string `json:"url"`
			}
			require.NoError(t, json.Unmarshal(raw, &list))
			for _, l := range list {
				urls = append(urls, l.URL)
			}
		}
	}
	return urls
}
