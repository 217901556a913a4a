// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// above is what the configurations merged so far say. A null over a map or a list would
// take away all that they say there, and a key with nothing behind it is easily written by
// someone who means to change nothing.
type above struct {
	merged map[string]any
	from   map[string]string // the configuration that said it first, by key
}

// add refuses a configuration that empties a map of those before it.
func (a *above) add(name string, conf *confmap.Conf) error {
	if a.merged == nil {
		a.merged, a.from = make(map[string]any), make(map[string]string)
	}
	said := conf.ToStringMap()
	if key := emptied(a.merged, said); key != nil {
		joined := strings.Join(key, "::")
		return &Error{
			Key:    name,
			Reason: fmt.Sprintf("%s has no value of its own, and would take away all that %s says there", joined, a.from[joined]),
			Cure:   "leave the key out, or write below it what is to change",
		}
	}
	a.merge(name, nil, a.merged, said)
	return nil
}

// emptied returns the first key, in the order of the alphabet, where old has a map or a
// list and said nothing, or a reference in the place of a map, which may be to nothing.
func emptied(old, said map[string]any) []string {
	for _, key := range slices.Sorted(maps.Keys(said)) {
		before, wasMap := old[key].(map[string]any)
		list, _ := old[key].([]any)
		if len(before) == 0 && len(list) == 0 {
			continue
		}
		now, isMap := said[key].(map[string]any)
		switch {
		case said[key] == nil, isMap && now == nil, wasMap && isReference(said[key]):
			return []string{key}
		case wasMap && isMap:
			if below := emptied(before, now); below != nil {
				return append([]string{key}, below...)
			}
		}
	}
	return nil
}

func (a *above) merge(name string, path []string, into, said map[string]any) {
	for key, value := range said {
		at := append(slices.Clone(path), key)
		if joined := strings.Join(at, "::"); a.from[joined] == "" {
			a.from[joined] = name
		}
		now, isMap := value.(map[string]any)
		if !isMap {
			into[key] = value
			continue
		}
		before, wasMap := into[key].(map[string]any)
		if !wasMap {
			before = make(map[string]any)
			into[key] = before
		}
		a.merge(name, at, before, now)
	}
}
