// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"bytes"
	"fmt"
	"strconv"
)

// indexRefName is the name under which an object refers to the index pattern.
const indexRefName = "kibanaSavedObjectMeta.searchSourceJSON.index"

// panelVersion is the version of the panels' shape in both servers; what is older than 7.3 would be migrated.
const panelVersion = "7.10.2"

// Target is a server that imports the saved objects.
type Target struct {
	// Name is what its users call it.
	Name string
	// File is the name of its file.
	File string
	// Discover is the path of the application that shows saved searches, below the one of the server.
	Discover string
	// DataView is what it calls an index pattern.
	DataView string
}

// Targets are all servers that a file is rendered for.
func Targets() []Target {
	return []Target{
		{Name: "Kibana", File: "kibana.ndjson", Discover: "/app/discover", DataView: "data view"},
		{Name: "OpenSearch Dashboards", File: "opensearch.ndjson", Discover: "/app/data-explorer/discover", DataView: "index pattern"},
	}
}

// Render returns the file of a target: one saved object a line, each behind those that it refers to.
func Render(target Target) ([]byte, error) {
	var file bytes.Buffer
	for _, object := range Objects(target) {
		line, err := encode(object)
		if err != nil {
			return nil, fmt.Errorf("saved object %s: %w", object.ID, err)
		}
		file.Write(line)
		file.WriteByte('\n')
	}
	return file.Bytes(), nil
}

// Objects are the saved objects of a target.
func Objects(target Target) []Object {
	objects := []Object{indexPattern()}
	for _, s := range searches() {
		objects = append(objects, s.object())
	}
	for _, v := range visualizations(target) {
		objects = append(objects, v.object())
	}
	for _, d := range dashboards() {
		objects = append(objects, d.object())
	}
	return objects
}

// object completes what is the same in all objects of a type.
func object(kind, id string, attributes any, references ...Reference) Object {
	if references == nil {
		references = []Reference{}
	}
	return Object{
		ID: id, Type: kind, Attributes: attributes, References: references,
		MigrationVersion: map[string]string{kind: formatVersions[kind]},
	}
}

func toIndexPattern() Reference {
	return Reference{Name: indexRefName, Type: typeIndexPattern, ID: indexPatternID}
}

func kql(query string) Query { return Query{Query: query, Language: "kuery"} }

// search is a saved search.
type search struct {
	id, title, description string
	query                  string
	columns                []string
	// sortBy is the field that the search begins with the highest value of.
	sortBy string
}

func (s search) object() Object {
	attributes := &Search{
		Title: titlePrefix + s.title, Description: s.description, Columns: s.columns, Sort: [][2]string{{s.sortBy, "desc"}}, Version: 1,
	}
	attributes.Meta.SearchSource.Value = SearchSource{
		Query: kql(s.query), Filter: []struct{}{}, IndexRefName: indexRefName, HighlightAll: true, Version: true,
	}
	return object(typeSearch, s.id, attributes, toIndexPattern())
}

// visualization is a panel that draws aggregations.
type visualization struct {
	id, title, description string
	kind                   string
	query                  string
	aggs                   []Agg
	colors                 map[string]string
	// text is that of a visMarkdown, which has no query and no aggregations.
	text string
}

func (v visualization) object() Object {
	aggs := numbered(v.aggs)
	state := VisState{Title: titlePrefix + v.title, Type: v.kind, Aggs: aggs}
	switch v.kind {
	case visTable:
		state.Params = &TableParams{PerPage: 10, TotalFunc: "sum"}
	case visMetric:
		state.Params = largeNumbers()
	case visHistogram:
		state.Params = chart(visHistogram, "stacked", aggs)
	case visLine:
		state.Params = chart(visLine, "normal", aggs)
	case visMarkdown:
		state.Params = &MarkdownParams{FontSize: 12, Markdown: v.text}
		state.Aggs = []Agg{}
	}
	attributes := &Visualization{Title: titlePrefix + v.title, Description: v.description, Version: 1, VisState: Text[VisState]{state}}
	if v.colors != nil {
		attributes.UIState.Value.Vis = &VisUIState{Colors: v.colors}
	}
	source := SearchSource{Query: kql(v.query), Filter: []struct{}{}}
	if v.kind == visMarkdown {
		attributes.Meta.SearchSource.Value = source
		return object(typeVisualization, v.id, attributes)
	}
	source.IndexRefName = indexRefName
	attributes.Meta.SearchSource.Value = source
	return object(typeVisualization, v.id, attributes, toIndexPattern())
}

// dashboard is a grid of objects.
type dashboard struct {
	id, title, description string
	// from is the beginning of the time that it opens with; empty: the time that was looked at before.
	from string
	rows []row
}

// row is a row of panels, as wide as the grid together.
type row struct {
	height int
	panels []place
}

// place is a panel in a row.
type place struct {
	kind, id string
	width    int
}

func (d dashboard) object() Object {
	var panels []Panel
	var references []Reference
	y := 0
	for _, r := range d.rows {
		x := 0
		for _, p := range r.panels {
			name := strconv.Itoa(len(panels) + 1)
			ref := "panel_" + strconv.Itoa(len(panels))
			panels = append(panels, Panel{
				Version: panelVersion, GridData: GridData{X: x, Y: y, W: p.width, H: r.height, I: name}, PanelIndex: name, PanelRefName: ref,
			})
			references = append(references, Reference{Name: ref, Type: p.kind, ID: p.id})
			x += p.width
		}
		y += r.height
	}
	attributes := &Dashboard{
		Title: titlePrefix + d.title, Description: d.description, Version: 1,
		Panels: Text[[]Panel]{panels}, Options: Text[Options]{Options{UseMargins: true}},
	}
	if d.from != "" {
		attributes.TimeRestore, attributes.TimeFrom, attributes.TimeTo = true, d.from, "now"
		attributes.RefreshInterval = &RefreshInterval{Pause: true, Value: 60_000}
	}
	attributes.Meta.SearchSource.Value = SearchSource{Query: kql(""), Filter: []struct{}{}}
	return object(typeDashboard, d.id, attributes, references...)
}
