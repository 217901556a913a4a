// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const mapCure = "write a map of receivers, exporters, service and their like"

// checkDocument returns nil for YAML text that can be a configuration: nothing, or
// one map. Else it says which line is wrong, why, and what to do.
func checkDocument(key string, text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document any
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return diagnose(key, text, err)
	}
	fault := func(reason string) error { return &Error{Key: key, Reason: reason, Cure: mapCure} }
	switch document := document.(type) {
	case nil:
	case map[string]any:
		if err := checkShape(key, document); err != nil {
			return err
		}
	case map[any]any:
		return fault("has a key that isn't text")
	case []any:
		return fault("is a list")
	default:
		return fault("is a single value")
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		return &Error{Key: key, Reason: fmt.Sprintf("line %d: a second document begins", second.Line), Cure: "put it into a file of its own and name both with --config"}
	case !errors.Is(err, io.EOF):
		return diagnose(key, text, err)
	}
	return nil
}

// sections are the maps of a configuration whose values are components, by name
// (https://opentelemetry.io/docs/collector/configuration/#basics).
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions"}

// checkShape refuses what is no map where one has to be: merging would put it in the
// place of what another configuration says there, and nobody would hear of it.
func checkShape(key string, document map[string]any) error {
	fault := func(where string) error {
		return &Error{Key: key, Reason: where + " isn't a map", Cure: "write its keys below it, or leave it out"}
	}
	for _, section := range append([]string{"service"}, sections...) {
		components, ok := document[section].(map[string]any)
		if !ok && document[section] != nil && !isReference(document[section]) {
			return fault(section)
		}
		for name, component := range components {
			if _, ok := component.(map[string]any); !ok && component != nil && !isReference(component) && (section != "service" || name != "extensions") {
				return fault(section + "::" + name)
			}
		}
	}
	return nil
}

// isReference tells a text that confmap replaces, ${file:exporters.yaml}.
func isReference(value any) bool {
	text, ok := value.(string)
	return ok && strings.Contains(text, "${")
}

var (
	// located is the line that the YAML library puts before its reason. For a syntax
	// error it is that of the block's begin, one too few, or missing.
	located = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	// cures are known for these reasons.
	cures = []struct{ reason, cure string }{
		{"already defined", "keep one of the two"},
		{"mapping values are not allowed", "check its indentation, and put a text that holds a colon and a space into quotes"},
		{"cannot start any token", "put the text into quotes"},
		{"unknown anchor", "define the anchor above it, or put the text into quotes"},
		{"incompatible YAML", "leave the line out"},
		{"UTF-8", "save the file in UTF-8"},
		{"control characters", "name a text file"},
	}
)

// diagnose turns an error of the YAML library about text into an [*Error].
func diagnose(key string, text []byte, err error) error {
	message, line := err.Error(), 0
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok { // such as a key that is there twice; its lines are right
		message = typed.Errors[0]
	} else {
		line = firstWrong(text)
	}
	parts := located.FindStringSubmatch(strings.TrimSpace(message))
	if parts == nil {
		parts = []string{"", "", message}
	}
	if line == 0 {
		line, _ = strconv.Atoi(parts[1])
	}
	fault := &Error{Key: key, Reason: parts[2], Cure: "correct that line"}
	for _, known := range cures {
		if strings.Contains(fault.Reason, known.reason) {
			fault.Cure = known.cure
		}
	}
	if tabbed(text, line) {
		fault.Reason, fault.Cure = "tabs can't indent YAML", "indent with spaces"
	}
	if line > 0 {
		fault.Reason = fmt.Sprintf("line %d: %s", line, fault.Reason)
	}
	return fault
}

// manyLines is how many lines are tried one by one.
const manyLines = 5000

// firstWrong returns the line at which text stops being YAML, counted from 1: the
// one behind the longest part of it, in whole lines, that is. 0: not known.
func firstWrong(text []byte) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) > manyLines {
		return 0
	}
	end := len(text)
	for i := len(lines) - 1; i > 0; i-- {
		end -= len(lines[i])
		var part yaml.Node
		if err := yaml.Unmarshal(text[:end], &part); err == nil {
			return i + 1
		}
	}
	return 1
}

// tabbed reports whether a line, counted from 1, is indented with a tab.
func tabbed(text []byte, line int) bool {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return false
	}
	indent := lines[line-1]
	indent = indent[:len(indent)-len(bytes.TrimLeft(indent, " \t"))]
	return bytes.IndexByte(indent, '\t') >= 0
}

// Setting returns "KEY=VALUE" as the address of a configuration that has only
// this: the parts of the key have dots between them, the value is YAML.
func Setting(set string) (uri string, err error) {
	const example = "write --set KEY=VALUE, for example --set receivers.goproxy.service_name=athens"
	key, text, ok := strings.Cut(set, "=")
	key = strings.TrimSpace(key)
	if !ok {
		return "", &Error{Key: "--set " + set, Reason: "no equal sign", Cure: "write KEY=VALUE"}
	}
	if strings.Trim(key, ".") != key || key == "" || strings.Contains(key, "..") {
		return "", &Error{Key: "--set " + set, Reason: "a part of the key is empty", Cure: example}
	}
	var value yaml.Node
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return "", diagnose("--set "+key, []byte(text), err)
	}
	content := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if len(value.Content) > 0 {
		content = value.Content[0]
	}
	name := &yaml.Node{Kind: yaml.ScalarNode, Value: strings.ReplaceAll(key, ".", "::")}
	encoded, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{name, content}})
	if err != nil {
		return "", &Error{Key: "--set " + key, Reason: err.Error(), Cure: example}
	}
	return "yaml:" + strings.TrimSpace(string(encoded)), nil
}
