// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/confmap"
)

// reference is a value in a fragment that comes wholly from one variable.
var reference = regexp.MustCompile(`^\$\{modtap:([a-z-]+)\}$`)

// references maps each key of the fragments that comes from a variable to the value's name.
var references = sync.OnceValue(func() map[string]string {
	found := make(map[string]string)
	entries, _ := files.ReadDir(".")
	for _, entry := range entries {
		text, _ := files.ReadFile(entry.Name())
		retrieved, err := confmap.NewRetrievedFromYAML(text)
		if err != nil {
			continue
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			continue
		}
		for _, key := range conf.AllKeys() {
			item := conf.Get(key)
			if list, ok := item.([]any); ok && len(list) == 1 {
				item = list[0]
			}
			if text, ok := item.(string); ok {
				if parts := reference.FindStringSubmatch(text); parts != nil {
					found[key] = parts[1]
				}
			}
		}
	}
	return found
})

// Origin returns the variable that a fragment takes the key from, if value is
// what it gives now; "" where the key was set in another way, so that an error
// never advises to set a variable that has no effect.
func Origin(key, value string) string {
	from, ok := values[references()[key]]
	if !ok {
		return ""
	}
	now, err := from.get()
	if err != nil {
		return ""
	}
	if text, ok := now.(string); ok {
		now = strings.ReplaceAll(text, "$$", "$")
	}
	if fmt.Sprint(now) != value {
		return ""
	}
	return from.variable
}
