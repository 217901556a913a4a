// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

// IndexPattern is the data view: the indices, their time field, and how values are shown.
type IndexPattern struct {
	Title         string `json:"title"`
	TimeFieldName string `json:"timeFieldName"`
	// Fields is Kibana's cache of the mapping. It is left empty: Kibana then asks the indices, so it can't be out of date.
	Fields         Text[[]struct{}]             `json:"fields"`
	FieldFormatMap Text[map[string]FieldFormat] `json:"fieldFormatMap"`
}

// FieldFormat is how Kibana shows the values of a field.
type FieldFormat struct {
	// ID is the formatter: url, duration or bytes.
	ID     string       `json:"id"`
	Params FormatParams `json:"params"`
}

// FormatParams are those of the formatters used here; what a formatter doesn't know is left empty.
type FormatParams struct {
	// URLTemplate, of url, has {{value}} where the value goes, escaped for a URL; {{rawValue}} is the value as it is.
	URLTemplate   string `json:"urlTemplate,omitempty"`
	LabelTemplate string `json:"labelTemplate,omitempty"`
	// InputFormat and the next three, of duration.
	InputFormat     string `json:"inputFormat,omitempty"`
	OutputFormat    string `json:"outputFormat,omitempty"`
	OutputPrecision int    `json:"outputPrecision,omitempty"`
	ShowSuffix      bool   `json:"showSuffix,omitempty"`
	// Pattern, of bytes, is one of numeral.js.
	Pattern string `json:"pattern,omitempty"`
}

// Search is a saved search of Discover.
type Search struct {
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Hits        int      `json:"hits"`
	Columns     []string `json:"columns"`
	// Sort holds a field and asc or desc each.
	Sort    [][2]string       `json:"sort"`
	Version int               `json:"version"`
	Meta    kibanaSavedObject `json:"kibanaSavedObjectMeta"`
}

// Visualization is one panel's content.
type Visualization struct {
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Version     int               `json:"version"`
	VisState    Text[VisState]    `json:"visState"`
	UIState     Text[UIState]     `json:"uiStateJSON"`
	Meta        kibanaSavedObject `json:"kibanaSavedObjectMeta"`
}

// UIState is what a user would have clicked.
type UIState struct {
	Vis *VisUIState `json:"vis,omitempty"`
}

// VisUIState holds the colour of each series.
type VisUIState struct {
	Colors map[string]string `json:"colors"`
}

// Dashboard is a grid of panels.
type Dashboard struct {
	Title           string            `json:"title"`
	Description     string            `json:"description"`
	Hits            int               `json:"hits"`
	Panels          Text[[]Panel]     `json:"panelsJSON"`
	Options         Text[Options]     `json:"optionsJSON"`
	Version         int               `json:"version"`
	TimeRestore     bool              `json:"timeRestore"`
	TimeFrom        string            `json:"timeFrom,omitempty"`
	TimeTo          string            `json:"timeTo,omitempty"`
	RefreshInterval *RefreshInterval  `json:"refreshInterval,omitempty"`
	Meta            kibanaSavedObject `json:"kibanaSavedObjectMeta"`
}

// Panel is where an object stands on a dashboard.
type Panel struct {
	// Version is that of the panel's shape. Both servers migrate a panel that is older than 7.3.
	Version  string   `json:"version"`
	GridData GridData `json:"gridData"`
	// PanelIndex is the panel's name on this dashboard, the same as GridData.I.
	PanelIndex string `json:"panelIndex"`
	// EmbeddableConfig would change the object for this panel only.
	EmbeddableConfig struct{} `json:"embeddableConfig"`
	PanelRefName     string   `json:"panelRefName"`
}

// GridData is a panel's place; the grid has 48 columns, and rows of 20 pixels.
type GridData struct {
	X int    `json:"x"`
	Y int    `json:"y"`
	W int    `json:"w"`
	H int    `json:"h"`
	I string `json:"i"`
}

// Options are those of a dashboard.
type Options struct {
	HidePanelTitles bool `json:"hidePanelTitles"`
	UseMargins      bool `json:"useMargins"`
}

// RefreshInterval is how often a dashboard asks again.
type RefreshInterval struct {
	Pause bool `json:"pause"`
	Value int  `json:"value"` // ms
}

// kibanaSavedObject holds the query. The name of its field is the same in OpenSearch Dashboards.
type kibanaSavedObject struct {
	SearchSource Text[SearchSource] `json:"searchSourceJSON"`
}

// SearchSource is what is searched for. Everything is in the query, so that a user sees it: the filters are always empty.
type SearchSource struct {
	Query  Query      `json:"query"`
	Filter []struct{} `json:"filter"`
	// IndexRefName names the reference to the index pattern; a dashboard and a text have none.
	IndexRefName string `json:"indexRefName,omitempty"`
	// HighlightAll and Version are of a saved search.
	HighlightAll bool `json:"highlightAll,omitempty"`
	Version      bool `json:"version,omitempty"`
}

// Query is a query in KQL, which OpenSearch Dashboards calls DQL; both write kuery. An empty one finds everything.
type Query struct {
	Query    string `json:"query"`
	Language string `json:"language"`
}
