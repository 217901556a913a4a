// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
)

// resolveFiles merges files as the command does.
func resolveFiles(t *testing.T, uris ...string) error {
	t.Helper()
	set := confmap.ResolverSettings{URIs: uris}
	set.ProviderFactories = Named([]confmap.ProviderFactory{fileprovider.NewFactory(), yamlprovider.NewFactory(), NewFactory()}, uris)
	resolver, err := confmap.NewResolver(set)
	require.NoError(t, err)
	defer func() { assert.NoError(t, resolver.Shutdown(t.Context())) }()
	_, err = resolver.Resolve(t.Context())
	return err
}

const sound = "receivers:\n  goproxy:\n    service_name: a # comment\n    list: [1,\n      2]\n    text: |\n      tab:\there\n"

// TestYAMLFaults is case 49: the file, the line and the cause, whichever of three
// files it is.
func TestYAMLFaults(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"tab", "receivers:\n  goproxy:\n\tservice_name: a\n", "line 3: tabs can't indent YAML; indent with spaces"},
		{"tab behind spaces", "receivers:\n  goproxy:\n  \tservice_name: a\n  \tgoproxy: b\n", "line 3: tabs can't indent YAML; indent with spaces"},
		{"tab in the first line", "\treceivers:\n", "line 1: tabs can't indent YAML; indent with spaces"},
		{"no node", "receivers:\n  goproxy:\n    upstream: ]\n", "line 3: did not find expected node content; correct that line"},
		{"indentation", "receivers:\n  goproxy:\n    a: 1\n   b: 2\n", "line 4: did not find expected key; correct that line"},
		{"nested value", "receivers:\n  goproxy: a: b\n", "line 2: mapping values are not allowed in this context; check its indentation, and put a text that holds a colon and a space into quotes"},
		{"deeper than a value", "receivers: 1\n  goproxy: 2\n", "line 2: mapping values are not allowed in this context; check its indentation, and put a text that holds a colon and a space into quotes"},
		{"open quote", "receivers:\n  goproxy:\n    a: \"x\n    b: 1\n", "line 3: found unexpected end of stream; correct that line"},
		{"open list", "receivers:\n  goproxy:\n    a: [1, 2\n    b: 1\n", "line 3: did not find expected ',' or ']'; correct that line"},
		{"at sign", "receivers:\n  goproxy:\n    a: @b\n", "line 3: found character that cannot start any token; put the text into quotes"},
		{"percent", "receivers:\n  goproxy:\n    a: %b\n", "line 3: found character that cannot start any token; put the text into quotes"},
		{"key twice", "receivers:\n  goproxy:\nreceivers:\n  otlp:\n", `line 3: mapping key "receivers" already defined at line 1; keep one of the two`},
		{"inner key twice", "receivers:\n  goproxy:\n    a: 1\n    b: 1\n    a: 2\n", `line 5: mapping key "a" already defined at line 3; keep one of the two`},
		{"unknown anchor", "receivers:\n  goproxy:\n    a: *b\n", "line 3: unknown anchor 'b' referenced; define the anchor above it, or put the text into quotes"},
		{"two documents", "receivers:\n  goproxy:\n---\nexporters:\n", "line 3: a second document begins; put it into a file of its own and name both with --config"},
		{"list", "- receivers\n- exporters\n", "is a list; write a map of receivers, exporters, service and their like"},
		{"word", "receivers\n", "is a single value; write a map of receivers, exporters, service and their like"},
		{"number", "1\n", "is a single value; write a map of receivers, exporters, service and their like"},
		{"no space behind a colon", "receivers:\n  goproxy:\n    a:1\n    b: 2\n", "line 4: mapping values are not allowed in this context; check its indentation, and put a text that holds a colon and a space into quotes"},
		{"keys of numbers", "1: a\n", "has a key that isn't text; write a map of receivers, exporters, service and their like"},
		{"binary", "\x7fELF\x02\x01\x01\x00\x00", "line 1: control characters are not allowed; name a text file"},
		{"Latin-1", "receivers:\n  goproxy:\n    service_name: caf\xe9\n", "line 3: incomplete UTF-8 octet sequence; save the file in UTF-8"},
		{"directive", "%YAML 1.2\n---\nreceivers:\n", "line 1: found incompatible YAML document; leave the line out"},
		{"CRLF with a tab", "receivers:\r\n  goproxy:\r\n\ta: b\r\n", "line 3: tabs can't indent YAML; indent with spaces"},
	}
	for _, tt := range tests {
		for place := range 3 {
			t.Run(fmt.Sprintf("case 49: %s in file %d", tt.name, place+1), func(t *testing.T) {
				dir := t.TempDir()
				uris := make([]string, 3)
				for i := range uris {
					uris[i] = filepath.Join(dir, fmt.Sprintf("%d.yaml", i+1))
					text := sound
					if i == place {
						text = tt.text
					}
					require.NoError(t, os.WriteFile(uris[i], []byte(text), 0o600))
				}
				err := resolveFiles(t, uris...)
				var fault *Error
				require.ErrorAs(t, err, &fault)
				assert.Equal(t, "--config "+uris[place]+": "+tt.want, fault.Error())
			})
		}
	}
}

// TestLineOfAnyFault puts a fault behind every line of a sound file: its line is the one that is named.
func TestLineOfAnyFault(t *testing.T) {
	lines := strings.SplitAfter(sound+"exporters:\n  a: {b: c}\n  d: &x 1\n  e: *x\n  <<: {f: g}\n", "\n")
	for i := range lines {
		if i == 4 || i == 6 || i == 7 {
			continue // inside a list and a text, which the fault would be a part of
		}
		for _, wrong := range []string{"\tx: 1\n", "]\n", "@\n", "a: b: c\n"} {
			text := strings.Join(lines[:i], "") + wrong + strings.Join(lines[i:], "")
			err := checkDocument("k", []byte(text))
			require.Error(t, err, text)
			assert.Regexp(t, fmt.Sprintf("^k: line %d: ", i+1), err.Error(), "%q at line %d of\n%s", wrong, i+1, text)
		}
	}
}

// TestSoundYAML: what is unusual but sound stays so.
func TestShape(t *testing.T) {
	for _, section := range []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"} {
		for value, where := range map[string]string{"[]": "", "5": "", "text": "", "true": "", "{x: 5}": "::x", "{x: []}": "::x", "{x: text}": "::x"} {
			t.Run("case 49: "+section+" "+value, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "x.yaml")
				require.NoError(t, os.WriteFile(file, []byte(section+": "+value+"\n"), 0o600))
				require.ErrorContains(t, resolveFiles(t, file), "--config "+file+": "+section+where+" isn't a map; write its keys below it, or leave it out")
			})
		}
	}
}

func TestSoundYAML(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing.yaml")
	require.NoError(t, os.WriteFile(nothing, []byte("{}"), 0o600))
	for name, text := range map[string]string{
		"empty":                "",
		"only a comment":       "# nothing\n",
		"only a document mark": "---\n",
		"byte order mark":      "\ufeff" + sound,
		"CRLF":                 strings.ReplaceAll(sound, "\n", "\r\n"),
		"end of document":      sound + "...\n",
		"document mark":        "---\n" + sound,
		"directive":            "%YAML 1.1\n---\n" + sound,
		"anchors and merge":    "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
		"JSON":                 `{"receivers": {"goproxy": null}}`,
		"JSON with tabs":       "{\n\t\"receivers\": {\n\t\t\"goproxy\": null\n\t}\n}\n",
		"no end of line":       "receivers:",
		"components of null":   "receivers: {goproxy: }\nexporters:\nservice: {extensions: [health]}\n",
		"a reference":          "receivers: {goproxy: \"${file:" + nothing + "}\"}\n",
	} {
		t.Run("case 49: "+name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.yaml")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			require.NoError(t, resolveFiles(t, file))
		})
	}
}

func TestFileFaults(t *testing.T) {
	dir := t.TempDir()
	fine := filepath.Join(dir, "fine.yaml")
	require.NoError(t, os.WriteFile(fine, []byte("a: ${file:"+dir+"/nope}\n"), 0o600))
	const cure = "; name a file, or modtap:base for the embedded configuration"
	for _, tt := range []struct{ uri, want string }{
		{filepath.Join(dir, "nope.yaml"), "--config " + dir + "/nope.yaml: no such file or directory" + cure},
		{"file:" + dir + "/nope.yaml", "--config file:" + dir + "/nope.yaml: no such file or directory" + cure},
		{dir, "--config " + dir + ": is a directory" + cure},
		{fine, "${file:" + dir + "/nope}: no such file or directory" + cure},
		{"yaml:a: b: c", "--config yaml:a: b: c: line 1: mapping values are not allowed in this context; check its indentation, and put a text that holds a colon and a space into quotes"},
	} {
		var fault *Error
		require.ErrorAs(t, resolveFiles(t, tt.uri), &fault, tt.uri)
		assert.Equal(t, tt.want, fault.Error())
	}
}

func TestSetting(t *testing.T) {
	for set, want := range map[string]string{
		"a.b=c":               "yaml:a::b: c",
		" a.b = c ":           "yaml:a::b: c",
		"a=0123":              "yaml:a: 0123",
		"a=[x, y]":            "yaml:a: [x, y]",
		"a=":                  "yaml:a:",
		"a=x=y":               "yaml:a: x=y",
		`a="x: y"`:            `yaml:a: "x: y"`,
		"a.b={c: '${env:X}'}": "yaml:a::b: {c: '${env:X}'}",
		"a=https://x:1/y?z=":  "yaml:a: https://x:1/y?z=",
	} {
		uri, err := Setting(set)
		require.NoError(t, err, set)
		assert.Equal(t, want, uri, set)
	}
	for set, want := range map[string]string{
		"a.b":   "--set a.b: no equal sign; write KEY=VALUE",
		"=x":    "--set =x: a part of the key is empty; write --set KEY=VALUE, for example --set receivers.goproxy.service_name=athens",
		"a..b=": "--set a..b=: a part of the key is empty; write --set KEY=VALUE, for example --set receivers.goproxy.service_name=athens",
		"a.b=]": "--set a.b: line 1: did not find expected node content; correct that line",
		`a="x`:  "--set a: line 1: found unexpected end of stream; correct that line",
		"a=@x":  "--set a: line 1: found character that cannot start any token; put the text into quotes",
	} {
		_, err := Setting(set)
		require.EqualError(t, err, want, set)
	}
}

// FuzzCheckDocument: whatever is no configuration is refused by one line with a
// cure, and whatever confmap takes for one is not refused.
func FuzzCheckDocument(f *testing.F) {
	for _, text := range []string{"", sound, "\ta: b", "a: b: c", "- a", "a: 1\na: 2", "\x00", "a: *b", "---\n---\n", "1: 2", "? [a]\n: b", "\ufeffa: b", "a: |\n\tb"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2000 {
			return
		}
		err := checkDocument("k", text)
		if err != nil {
			assert.Regexp(t, `^k: [^\n]+; [^\n]+$`, err.Error())
			return
		}
		retrieved, err := confmap.NewRetrievedFromYAML(text)
		require.NoError(t, err)
		_, err = retrieved.AsConf()
		require.NoError(t, err)
	})
}
