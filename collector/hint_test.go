// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/collector/config"
)

// mistakes are a letter missing, twice, wrong, and two swapped, in the middle of a name.
func mistakes(name string) []string {
	i := len(name) / 2
	for name[i] == name[i-1] {
		i++ // two of a kind that change places are no mistake
	}
	return []string{name[:i] + name[i+1:], name[:i] + name[i:i+1] + name[i:], name[:i] + "q" + name[i+1:], name[:i-1] + name[i:i+1] + name[i-1:i] + name[i+1:]}
}

// TestMistypedKeys is case 51: each key of each component that we ship, with one mistake.
func TestMistypedKeys(t *testing.T) {
	isolate(t)
	paths := []string{"", "service", "service::telemetry", "receivers::goproxy::ingress", "receivers::goproxy::ingress::tls", "receivers::goproxy::cache", "exporters::elastic::sending_queue"}
	for _, section := range sections[:len(sections)-1] {
		for of := range factoriesOf(section) {
			paths = append(paths, section+"::"+of, section+"::"+of+"/named")
		}
	}
	seen := 0
	for _, path := range paths {
		keys := keysAt(path)
		if path == "service" || path == "service::telemetry" || len(keys) > 0 {
			seen += len(keys)
		}
		for _, key := range keys {
			if len(key) < 5 {
				continue
			}
			for _, wrong := range mistakes(key) {
				if slices.Contains(keys, wrong) {
					continue
				}
				line := "unknown key " + wrong + "; correct its spelling or remove it"
				if path != "" {
					line = path + ": " + line
				}
				assert.Regexp(t, `; did you mean [a-z_0-9]+\?$`, hint(line, &effective{}), line)
			}
		}
	}
	assert.Greater(t, seen, 200, "the keys of the components")
	assert.Contains(t, keysAt("receivers::goproxy::ingress::tls"), "cert_file", "in an optional part")
	assert.Contains(t, keysAt("extensions::health"), "endpoint", "in a squashed part")
	assert.Contains(t, keysAt("service"), "pipelines")
	assert.Contains(t, keysAt("service::pipelines::traces"), "exporters")
}

// TestMistypedNames is case 51 for variables and commands.
func TestMistypedNames(t *testing.T) {
	for _, v := range config.Variables {
		for _, wrong := range mistakes(v.Name) {
			isolate(t)
			t.Setenv(wrong, "x")
			assert.Equal(t, []string{wrong + " is set, but Modtap knows no such variable; did you mean " + v.Name + "?"}, withoutEffect([]string{"modtap:base", "modtap:jsonlines"}, ""))
			require.NoError(t, os.Unsetenv(wrong))
		}
	}
	isolate(t)
	for _, command := range []string{"validate", "components", "health", "version", "goauth"} {
		for _, wrong := range mistakes(command) {
			_, _, stderr := modtap(t, wrong)
			assert.Regexp(t, "^modtap: "+wrong+": no such command; did you mean "+command+`\? there are components, goauth, health, `, stderr)
		}
	}
	_, _, stderr := modtap(t, "foo")
	assert.Equal(t, "modtap: foo: no such command; there are components, goauth, health, run, validate, version\n", stderr)
}

// TestUnused is case 52: what is configured but does nothing is said by validate and run, and what there is in one line.
func TestUnused(t *testing.T) {
	isolate(t)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte("exporters:\n  jsonlines/second:\n    path: /x\n  debug:\nprocessors:\n  memory_limiter:\n    check_interval: 1s\n    limit_mib: 100\n"+
		"receivers:\n  otlp:\n    protocols:\n      http:\nextensions:\n  health/other:\n    endpoint: 127.0.0.1:1\n"), 0o600))
	code, stdout, stderr := modtap(t, "validate", "--config", "modtap:base", "--config", "modtap:jsonlines", "--config", file)
	assert.Zero(t, code)
	assert.Equal(t, "configuration is valid: 1 receiver, 2 exporters, 2 extensions, 2 pipelines\n", stdout)
	const pipeline = "configured, but in no pipeline; name it in one below service::pipelines, or remove it\n"
	assert.Equal(t, "modtap: warning: exporters::debug: "+pipeline+
		"modtap: warning: exporters::jsonlines/second: "+pipeline+
		"modtap: warning: extensions::health/other: configured, but not in service::extensions; name it there, or remove it\n"+
		"modtap: warning: processors::memory_limiter: "+pipeline+
		"modtap: warning: receivers::otlp: "+pipeline, stderr)

	isolate(t)
	t.Setenv("MODTAP_TLS_CERT", "/x")
	code, _, stderr = modtap(t, "validate", "--config", "modtap:base")
	assert.Zero(t, code)
	assert.Equal(t, "modtap: warning: MODTAP_TLS_CERT is set, but modtap:tls, which reads it, isn't loaded; add --config modtap:tls\n", stderr)

	isolate(t)
	code, stdout, stderr = modtap(t, "validate")
	assert.Zero(t, code)
	assert.Equal(t, "configuration is valid: 1 receiver, 2 exporters, 2 extensions, 2 pipelines\n", stdout)
	assert.Empty(t, stderr)
}
