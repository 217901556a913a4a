// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/collector/config"
)

// wrong are texts by what they are: each is what another variable takes, or what
// somebody might write into any.
var wrong = map[string][]string{
	"list": {
		"https://a.example,direct", "https://a.example|https://b.example", "https://a.example,https://b.example,direct", "https://a.example,off",
		"https://a.example,", "https://a.example|", ",direct", "http://u:secret@a.example,http://u:secret@b.example", "https://a.example, direct",
		"https://a.example/base,https://b.example/base", "https://a.example/base|direct",
	},
	"word":    {"direct", "off"},
	"spaces":  {"https://a.example https://b.example", "https://a.example direct", " ", "https:// a.example"},
	"url":     {"http://127.0.0.1:8081", "https://u:secret@a.example/x", "unix:///run/modtap.sock", "tcp://0.0.0.0:8081", "ftp://a.example/"},
	"address": {"127.0.0.1:8081", "[::1]:8081", ":8081", "localhost:8081", "proxy:3000"},
	"host":    {"127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0", "127.0.0.1:", "localhost:http", "localhost:99999", "localhost:-1", "127.0.0.1:8081/", "u:secret@127.0.0.1:8081"},
	"port":    {"8081", "08081"},
	"several": {"127.0.0.1:8081,127.0.0.1:8082", "127.0.0.1:8081 127.0.0.1:8082"},
	"urls":    {"http://127.0.0.1:9200,http://127.0.0.1:9201", "http://127.0.0.1:9200 http://127.0.0.1:9201", "http://u:secret@a:9200;http://u:secret@b:9200"},
	"path":    {"/nope/nothing", "nope/nothing"},
	"folder":  {os.TempDir()},
	"pem":     {"-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY----- secret"},
	"switch":  {"true", "on", "none", "disabled"},
	"home":    {"~", "~/requests.jsonl"}, // which no shell has replaced
	"no host": {"https://a.example;b", "https://a.example;direct", "http://a.example:0", "http://a.example:70000", "http://u:secret@a'b"},
	"api":     {"http://127.0.0.1:9200/_bulk", "http://u:secret@127.0.0.1:9200/modtap/_bulk"},
}

// refused says which kinds a variable doesn't take. MODTAP_SERVICE_NAME and
// MODTAP_ENVIRONMENT take any text.
var refused = map[string][]string{
	"MODTAP_DATA":            {"url", "list", "urls", "file", "home"},
	"MODTAP_LISTEN":          {"list", "word", "spaces", "url", "host", "port", "several", "urls", "path", "folder", "pem", "switch"},
	"MODTAP_EGRESS_LISTEN":   {"list", "word", "spaces", "url", "host", "port", "several", "urls", "path", "folder", "pem", "switch"},
	"MODTAP_METRICS_LISTEN":  {"list", "word", "spaces", "url", "host", "port", "several", "urls", "path", "folder", "pem", "switch"},
	"MODTAP_HEALTH_LISTEN":   {"list", "word", "spaces", "url", "host", "port", "several", "urls", "path", "folder", "pem", "switch"},
	"MODTAP_TLS_CERT":        {"list", "word", "spaces", "url", "address", "host", "port", "several", "urls", "path", "folder", "pem", "switch", "home"},
	"MODTAP_TLS_KEY":         {"list", "word", "spaces", "url", "address", "host", "port", "several", "urls", "path", "folder", "pem", "switch", "home"},
	"MODTAP_UPSTREAM":        {"list", "word", "spaces", "address", "host", "port", "several", "urls", "path", "folder", "pem", "switch", "no host"},
	"MODTAP_EGRESS_UPSTREAM": {"spaces", "address", "host", "port", "several", "path", "folder", "pem", "switch", "no host"},
	"MODTAP_UNSEEN_PATTERNS": {"list", "spaces", "url", "address", "several", "urls", "folder", "pem", "home"},
	"MODTAP_ALLOWED_HOSTS":   {"list", "url", "address", "several", "urls", "path", "folder", "pem"},
	"MODTAP_JAEGER":          {"list", "word", "spaces", "address", "host", "port", "several", "urls", "path", "folder", "pem", "switch", "no host"},
	"MODTAP_ELASTICSEARCH":   {"list", "word", "spaces", "address", "host", "port", "several", "urls", "path", "folder", "pem", "switch", "no host", "api"},
	"MODTAP_LOG":             {"url", "list", "urls", "folder", "home"},
	"MODTAP_SERVICE_NAME":    nil,
	"MODTAP_ENVIRONMENT":     nil,
}

// TestWrongKinds is case 48: a variable that is given what belongs into another
// one is refused before anything starts, by one line with key, reason and cure,
// in which there is no password.
func TestWrongKinds(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	kinds := maps.Clone(wrong)
	kinds["file"] = []string{name}
	require.Len(t, refused, len(config.Variables))
	for _, variable := range config.Variables {
		for _, kind := range refused[variable.Name] {
			for _, text := range kinds[kind] {
				if path := variable.Name == "MODTAP_DATA" || variable.Name == "MODTAP_LOG"; path && text == ",direct" {
					continue // a name of a file as good as any other
				}
				if (variable.Name == "MODTAP_ALLOWED_HOSTS" || variable.Name == "MODTAP_UNSEEN_PATTERNS") && text == ",direct" {
					continue // a list of one name
				}
				t.Run(fmt.Sprintf("case 48: %s is %s %q", variable.Name, kind, text), func(t *testing.T) {
					data := isolate(t)
					beside := filepath.Join(data, "other.pem")
					if of, ok := strings.CutPrefix(variable.Name, "MODTAP_TLS_"); ok {
						t.Setenv(map[string]string{"CERT": "MODTAP_TLS_KEY", "KEY": "MODTAP_TLS_CERT"}[of], beside)
						pemAt(t, beside, map[string]string{"CERT": "PRIVATE KEY", "KEY": "CERTIFICATE"}[of])
					}
					t.Setenv(variable.Name, text)
					command := "validate"
					if kind == "file" || kind == "folder" && variable.Name == "MODTAP_LOG" {
						command = "run" // validate opens nothing
						for _, listen := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
							t.Setenv(listen, "127.0.0.1:0")
						}
					}
					code, stdout, stderr := modtap(t, command)
					assert.Equal(t, 1, code)
					assert.Empty(t, stdout)
					assert.Regexp(t, `^modtap: .*`+variable.Name+`.*: .+[;:] .+\n$`, stderr)
					assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
					assert.NotContains(t, stderr, "secret")
				})
			}
		}
	}
}

// TestUpstreamIsNoList: the YAML key says the same.
func TestUpstreamIsNoList(t *testing.T) {
	isolate(t)
	for _, text := range slices.Concat(wrong["list"], wrong["word"]) {
		_, _, stderr := modtap(t, "validate", "--config", "modtap:base", "--set", "receivers.goproxy.upstream='"+text+"'")
		assert.Equal(t, "modtap: receivers::goproxy::upstream: is a GOPROXY list, but upstream (MODTAP_UPSTREAM) is the URL of the one proxy that Modtap stands in front of; "+
			"for the embedded proxy write the list as goproxy (MODTAP_EGRESS_UPSTREAM) and leave upstream out\n", stderr, text)
	}
	for _, text := range []string{"http://u:a,b@a.example", "http://u:a%7Cb@a.example/base"} {
		code, _, stderr := modtap(t, "validate", "--config", "modtap:base", "--set", "receivers.goproxy.upstream='"+text+"'")
		assert.Zero(t, code, "%s: a comma in a password is no list: %s", text, stderr)
	}
}
