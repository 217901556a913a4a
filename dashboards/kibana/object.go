// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The types of saved objects, as the API names them. What Kibana 8 shows as a data view is still an index-pattern here.
const (
	typeIndexPattern  = "index-pattern"
	typeSearch        = "search"
	typeVisualization = "visualization"
	typeDashboard     = "dashboard"
)

// formatVersions are the versions of the types' shapes: the newest migration of each that Kibana 7.10 and OpenSearch Dashboards 2.19
// know. A server with later migrations runs them at the import.
var formatVersions = map[string]string{
	typeIndexPattern:  "7.6.0",
	typeSearch:        "7.9.3",
	typeVisualization: "7.10.0",
	typeDashboard:     "7.9.3",
}

// Object is a saved object, one line of a file.
type Object struct {
	ID string `json:"id"`
	// Type decides of what type Attributes is.
	Type string `json:"type"`
	// Attributes is an *IndexPattern, *Search, *Visualization or *Dashboard.
	Attributes any `json:"attributes"`
	// References are the objects that Attributes mentions by name.
	References []Reference `json:"references"`
	// MigrationVersion holds the version of the shape under Type.
	MigrationVersion map[string]string `json:"migrationVersion"`
}

// Reference is another saved object, which an object's attributes mention under Name.
type Reference struct {
	Name string `json:"name"`
	Type string `json:"type"`
	ID   string `json:"id"`
}

// UnmarshalJSON is strict: a field that the types here don't have is an error.
func (o *Object) UnmarshalJSON(text []byte) error {
	type plain Object
	var raw struct {
		plain

		Attributes json.RawMessage `json:"attributes"`
	}
	if err := decodeStrict(text, &raw); err != nil {
		return err
	}
	*o = Object(raw.plain)
	switch o.Type {
	case typeIndexPattern:
		o.Attributes = new(IndexPattern)
	case typeSearch:
		o.Attributes = new(Search)
	case typeVisualization:
		o.Attributes = new(Visualization)
	case typeDashboard:
		o.Attributes = new(Dashboard)
	default:
		return fmt.Errorf("saved object %s: unknown type %q", o.ID, o.Type)
	}
	if err := decodeStrict(raw.Attributes, o.Attributes); err != nil {
		return fmt.Errorf("saved object %s: %w", o.ID, err)
	}
	return nil
}

// Text is a value that a saved object holds as JSON within a string.
type Text[T any] struct {
	Value T
}

// MarshalJSON writes the value as a string of JSON.
func (t Text[T]) MarshalJSON() ([]byte, error) {
	inner, err := encode(t.Value)
	if err != nil {
		return nil, err
	}
	return encode(string(inner))
}

// UnmarshalJSON is strict, as that of [Object].
func (t *Text[T]) UnmarshalJSON(text []byte) error {
	var inner string
	if err := json.Unmarshal(text, &inner); err != nil {
		return err
	}
	return decodeStrict([]byte(inner), &t.Value)
}

// encode returns one line of JSON without its end, in which & and < stand for themselves.
func encode(value any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

// decodeStrict refuses unknown fields and anything behind the value.
func decodeStrict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text behind the JSON value")
	}
	return nil
}
