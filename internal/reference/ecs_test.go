// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/document"
	"github.com/modtap/modtap/internal/signal"
	"github.com/modtap/modtap/test/ecs"
)

// TestDocumentsAreECS: what a document has outside goproxy.* is a field of ECS, mapped
// as its type there, or one of a few that are named here.
func TestDocumentsAreECS(t *testing.T) {
	var names []string
	for _, f := range document.Fields() {
		names = append(names, f.Name)
	}
	for _, a := range signal.Attributes() {
		if a.InDocument() && !strings.HasPrefix(a.Name, "goproxy.") {
			names = append(names, a.Name)
		}
	}
	assert.Empty(t, ecs.Unknown(names), "neither in ECS nor named with a reason")
	types := templateTypes(t)
	for name, kind := range ecs.Fields() {
		assert.Contains(t, names, name)
		switch kind { // Types that Elasticsearch 7.10 or OpenSearch hasn't, by the next best.
		case "wildcard":
			kind = "keyword"
		case "match_only_text":
			kind = "text"
		}
		assert.Equal(t, kind, types[name], name)
	}
	for name := range ecs.Besides {
		assert.Contains(t, names, name)
	}
}

// templateTypes are the types of the index template's fields.
func templateTypes(t *testing.T) map[string]string {
	t.Helper()
	type mapping struct {
		Type       string             `json:"type"`
		Properties map[string]mapping `json:"properties"`
	}
	var template struct {
		Template struct {
			Mappings mapping `json:"mappings"`
		} `json:"template"`
	}
	text, err := Template()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &template))
	types := map[string]string{}
	var walk func(string, mapping)
	walk = func(name string, m mapping) {
		if m.Properties == nil {
			types[name] = m.Type
		}
		for part, inner := range m.Properties {
			walk(strings.TrimPrefix(name+"."+part, "."), inner)
		}
	}
	walk("", template.Template.Mappings)
	return types
}
