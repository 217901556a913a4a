// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/modfile"
)

const ourModule = "github.com/modtap/modtap"

// A manifestEntry is one component in builder.yaml.
type manifestEntry struct {
	Module string `yaml:"gomod"`
	Import string `yaml:"import"`
}

func TestManifestEqualsComponents(t *testing.T) {
	text, err := os.ReadFile("builder.yaml")
	require.NoError(t, err)
	var manifest struct {
		Receivers, Processors, Exporters, Extensions, Connectors, Providers, Converters []manifestEntry
	}
	require.NoError(t, yaml.Unmarshal(text, &manifest))

	text, err = os.ReadFile("../go.mod")
	require.NoError(t, err)
	mod, err := modfile.Parse("go.mod", text, nil)
	require.NoError(t, err)
	required := map[string]string{ourModule: "v0.0.0"}
	for _, r := range mod.Require {
		required[r.Mod.Path] = r.Mod.Version
	}

	nowhere := func(_, _, _ string) {}
	for _, kind := range []struct {
		name       string
		manifest   []manifestEntry
		components []string
	}{
		{"receivers", manifest.Receivers, packages(receivers(nowhere))},
		{"processors", manifest.Processors, packages(processors())},
		{"exporters", manifest.Exporters, packages(exporters(newRegistry(), nil))},
		{"extensions", manifest.Extensions, packages(extensions(nowhere, nil))},
		{"connectors", manifest.Connectors, nil},
		{"providers", manifest.Providers, packages(providers())},
		{"converters", manifest.Converters, nil},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var listed []string
			for _, entry := range kind.manifest {
				module, version, _ := strings.Cut(entry.Module, " ")
				assert.Equal(t, required[module], version, "version of %s: go.mod decides; change builder.yaml", module)
				if entry.Import != "" {
					module = entry.Import
				}
				listed = append(listed, module)
			}
			for _, from := range kind.components {
				assert.Contains(t, listed, from, "add the component to both components.go and builder.yaml, or remove it from both")
			}
			for _, from := range listed {
				assert.Contains(t, kind.components, from, "add the component to both components.go and builder.yaml, or remove it from both")
			}
		})
	}
}

func packages[F any](parts []part[F]) []string {
	from := make([]string, len(parts))
	for i, p := range parts {
		from[i] = p.from
	}
	return from
}

// TestEachPartIsDocumented: who looks for a receiver or an exporter of ours finds it.
func TestEachPartIsDocumented(t *testing.T) {
	house, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	delivery, err := os.ReadFile("../docs/delivery.md")
	require.NoError(t, err)
	nowhere := func(_, _, _ string) {}
	for _, from := range append(packages(receivers(nowhere)), packages(exporters(newRegistry(), nil))...) {
		folder, ours := strings.CutPrefix(from, ourModule)
		if !ours || !strings.Contains(folder, "receivers/") && !strings.Contains(folder, "exporters/") {
			continue
		}
		name := filepath.Base(folder)
		assert.FileExists(t, filepath.Join("..", folder, "README.md"))
		assert.Contains(t, string(house), name, "add it to the README's project layout")
		if of, ok := strings.CutSuffix(name, "exporter"); ok {
			assert.Contains(t, string(delivery), "`"+of+"`", "say in docs/delivery.md what it promises over a crash")
		}
	}
}
