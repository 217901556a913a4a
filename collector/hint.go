// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/collector/queuefile"
	"github.com/modtap/modtap/internal/suggest"
)

var (
	unknownKey  = regexp.MustCompile(`^(?:([a-z]+(?:::[^:\s]+)*): )?unknown key ([^;]+); correct its spelling or remove it$`)
	unknownType = regexp.MustCompile(`^(([a-z]+)::([^:/\s]+)[^:\s]*): unknown type; there are `)
	unknownID   = regexp.MustCompile(`^service::\S+: references ([a-z]+) "([^"]+)" which is not configured$`)
)

// hint returns a line about an unknown name with what was probably meant, or with
// what there is. The names are those that the compiled-in components have.
func hint(line string, e *effective) string {
	if parts := unknownKey.FindStringSubmatch(line); parts != nil {
		var meant []string
		for name := range strings.SplitSeq(parts[2], ", ") {
			if nearest := suggest.Nearest(name, keysAt(parts[1])); nearest != "" {
				meant = append(meant, nearest)
			}
		}
		if len(meant) > 0 {
			return strings.Replace(line, "correct its spelling or remove it", "did you mean "+strings.Join(meant, ", ")+"?", 1)
		}
	}
	if parts := unknownType.FindStringSubmatch(line); parts != nil {
		return parts[1] + ": unknown type; " + suggest.Among(parts[3], slices.Collect(maps.Keys(factoriesOf(parts[2]))))
	}
	if parts := unknownID.FindStringSubmatch(line); parts != nil {
		return line + "; " + suggest.Among(parts[2], e.defined(parts[1]+"s"))
	}
	return line
}

// sections are what a configuration has at its top.
var sections = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

// keysAt returns the keys that there may be below a key; none if it isn't known.
func keysAt(key string) []string {
	if key == "" {
		return sections
	}
	parts := strings.Split(key, "::")
	if parts[0] == "service" {
		return keysIn(reflect.TypeFor[otelcol.Config](), parts)
	}
	if len(parts) < 2 {
		return nil
	}
	of, _, _ := strings.Cut(parts[1], "/")
	factory, ok := factoriesOf(parts[0])[of]
	if !ok {
		return nil
	}
	return keysIn(reflect.TypeOf(factory.CreateDefaultConfig()), parts[2:])
}

// keysIn follows a path into a configuration's type and returns the keys there.
func keysIn(t reflect.Type, path []string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Map && len(path) > 0 {
		return keysIn(t.Elem(), path[1:])
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for field := range t.Fields() {
		tag := field.Tag.Get("mapstructure")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case field.Name == "value" && strings.HasSuffix(t.PkgPath(), "/configoptional"), strings.Contains(options, "squash"):
			keys = append(keys, keysIn(field.Type, path)...)
		case name == "" || name == "-" || !field.IsExported():
		case len(path) == 0:
			keys = append(keys, name)
		case name == path[0]:
			return keysIn(field.Type, path[1:])
		}
	}
	return keys
}

// factoriesOf returns the factories of a section by the type's name, without deprecated names.
func factoriesOf(section string) map[string]component.Factory {
	all, err := newFactories((&places{}).announce, &queuefile.Findings{})
	if err != nil {
		return nil // The collector said so already.
	}
	switch section {
	case "receivers":
		return named(all.Receivers)
	case "processors":
		return named(all.Processors)
	case "exporters":
		return named(all.Exporters)
	case "connectors":
		return named(all.Connectors)
	case "extensions":
		return named(all.Extensions)
	}
	return nil
}

func named[F component.Factory](of map[component.Type]F) map[string]component.Factory {
	out := make(map[string]component.Factory, len(of))
	for name, factory := range of {
		if factory.Type() == name {
			out[name.String()] = factory
		}
	}
	return out
}

// defined returns the ids of a section's components, in order.
func (e *effective) defined(section string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := make(map[string]bool)
	for key := range e.values {
		if parts := strings.SplitN(key, "::", 3); len(parts) > 1 && parts[0] == section {
			found[parts[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
