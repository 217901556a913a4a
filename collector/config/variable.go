// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"regexp"
	"sync"

	"go.opentelemetry.io/collector/confmap"
)

// reference is a value in a fragment that comes wholly from one variable.
var reference = regexp.MustCompile(`^\$\{(env|modtap):([A-Za-z_-]+)(?::-(.*))?\}$`)

// references maps each key of the fragments that comes from a variable to the reference's parts.
var references = sync.OnceValue(func() map[string][]string {
	found := make(map[string][]string)
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
			if text, ok := conf.Get(key).(string); ok {
				if parts := reference.FindStringSubmatch(text); parts != nil {
					found[key] = parts
				}
			}
		}
	}
	return found
})

// Variable returns the variable that a fragment takes the key from, if value
// is what it gives now; "" where the key was set in another way, so that an
// error never advises to set a variable that has no effect.
func Variable(key, value string) string {
	parts := references()[key]
	if parts == nil {
		return ""
	}
	if parts[1] == Scheme {
		return values[parts[2]].variable
	}
	now, ok := os.LookupEnv(parts[2])
	if !ok {
		now = parts[3]
	}
	if now != value {
		return ""
	}
	return parts[2]
}
