// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/collector/queuefile"
)

// hostile are texts that YAML, confmap or a shell would take for something else.
var hostile = []string{
	"$$", "$", "$1", "$$$", "${HOME}", "$${HOME}", "${env:HOME}", "${env:HOME:-x}", "${modtap:data}", "${", "}", "a${b", "$(id)", "`id`", "%24%24", "%",
	"-", "- a", "-a", "--", "!", "!!str x", "!tag", ":", "a: b", "a:", "{}", "{a: b}", "[]", "[a]", "[", "]", "#", "# c", "a # b", "*x", "&x", "@", "|", ">", "?", ",",
	"0123", "0x1F", "0o17", "1e3", "1_000", "1.0", "1.50", "12:30:45", "2026-11-27", "true", "yes", "off ", "~", "null", "NULL", ".inf", ".nan", "<<",
	`"`, `'`, `"a"`, `'a'`, `\`, `\n`, `a\tb`, " a ", "a\tb", "a\nb", "a\r\nb", "é", "日本", "\u202e", "\x7f", "caf\xe9", "\xff\xfe",
}

// compiled are the factories, which are made once: they hold no state of a configuration.
var compiled = sync.OnceValue(func() otelcol.Factories {
	factories, err := newFactories((&places{}).announce, &queuefile.Findings{})
	if err != nil {
		panic(err)
	}
	return factories
})

// merged is the typed configuration that run and validate work with.
func merged(t *testing.T) (*otelcol.Config, error) {
	t.Helper()
	require.NoError(t, setDefaults())
	uris, err := (&sources{}).uris()
	require.NoError(t, err)
	set := newSettings(uris, &effective{}, (&places{}).announce, &gate{}, &queuefile.Findings{})
	provider, err := otelcol.NewConfigProvider(set.ConfigProviderSettings)
	require.NoError(t, err)
	defer func() { assert.NoError(t, provider.Shutdown(t.Context())) }()
	return provider.Get(t.Context(), compiled())
}

// at returns the text at a key of the merged configuration.
func at(t *testing.T, cfg *otelcol.Config, of map[component.ID]component.Config, id, key string) string {
	t.Helper()
	var named component.ID
	require.NoError(t, named.UnmarshalText([]byte(id)))
	require.Contains(t, of, named)
	conf := confmap.New()
	require.NoError(t, conf.Marshal(of[named]))
	_ = cfg
	found := conf.Get(key)
	if list, ok := found.([]any); ok && len(list) == 1 {
		found = list[0]
	}
	return fmt.Sprint(found)
}

func pemAt(t *testing.T, name, kind string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind}), 0o600))
}

// arrivals says for each variable what is written around a hostile text, and
// where the whole arrives. A text that can't be in that place is "".
var arrivals = map[string]struct {
	around func(t *testing.T, text string) string
	where  func(t *testing.T, cfg *otelcol.Config) string
}{
	"MODTAP_DATA": {
		around: func(t *testing.T, text string) string { return file(t.TempDir(), text) },
		where: func(t *testing.T, cfg *otelcol.Config) string {
			data := at(t, cfg, cfg.Receivers, "goproxy", "data_dir")
			assert.Equal(t, data+"/queue", at(t, cfg, cfg.Extensions, "file_storage", "directory"))
			return data
		},
	},
	"MODTAP_LISTEN":        {around: host, where: receiverKey("ingress::endpoint")},
	"MODTAP_EGRESS_LISTEN": {around: host, where: receiverKey("egress::endpoint")},
	"MODTAP_METRICS_LISTEN": {around: host, where: func(t *testing.T, cfg *otelcol.Config) string {
		return at(t, cfg, cfg.Exporters, "prometheus", "endpoint")
	}},
	"MODTAP_HEALTH_LISTEN": {around: host, where: func(t *testing.T, cfg *otelcol.Config) string {
		return at(t, cfg, cfg.Extensions, "health", "endpoint")
	}},
	"MODTAP_ALLOWED_HOSTS": {around: func(_ *testing.T, text string) string {
		if strings.ContainsAny(text, ", \t\r\n") {
			return "" // It is a list, and spaces are no part of a name.
		}
		return text
	}, where: receiverKey("allowed_hosts")},
	"MODTAP_UNSEEN_PATTERNS": {around: func(_ *testing.T, text string) string {
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") != "" {
			return "" // It is no pattern of module paths.
		}
		return "git." + text
	}, where: receiverKey("unseen_patterns")},
	"MODTAP_UPSTREAM":        {around: plain, where: receiverKey("upstream")},
	"MODTAP_EGRESS_UPSTREAM": {around: plain, where: receiverKey("goproxy")},
	"MODTAP_SERVICE_NAME":    {around: plain, where: receiverKey("service_name")},
	"MODTAP_ENVIRONMENT":     {around: plain, where: receiverKey("environment")},
	"MODTAP_LOG":             {around: plain, where: func(t *testing.T, cfg *otelcol.Config) string { return at(t, cfg, cfg.Exporters, "jsonlines", "path") }},
	"MODTAP_TLS_CERT":        {around: pemNamed("CERTIFICATE", "MODTAP_TLS_KEY", "PRIVATE KEY"), where: receiverKey("ingress::tls::cert_file")},
	"MODTAP_TLS_KEY":         {around: pemNamed("PRIVATE KEY", "MODTAP_TLS_CERT", "CERTIFICATE"), where: receiverKey("ingress::tls::key_file")},
	"MODTAP_JAEGER": {
		around: func(_ *testing.T, text string) string { return "http://jaeger:4318/" + text + "x" },
		where: func(t *testing.T, cfg *otelcol.Config) string {
			return at(t, cfg, cfg.Exporters, "otlp_http/jaeger", "endpoint")
		},
	},
	"MODTAP_ELASTICSEARCH": {
		around: func(_ *testing.T, text string) string { return "http://es:9200/" + text + "x" },
		where: func(t *testing.T, cfg *otelcol.Config) string {
			return at(t, cfg, cfg.Exporters, "elastic", "endpoints")
		},
	},
}

func plain(_ *testing.T, text string) string { return text }

func host(_ *testing.T, text string) string {
	if strings.ContainsAny(text, ":[]") {
		return ""
	}
	return text + ":8081"
}

// file is a path with a hostile name, as filepath.Abs leaves it.
func file(dir, text string) string {
	if strings.Contains(text, "/") {
		return ""
	}
	return filepath.Join(dir, text)
}

func receiverKey(key string) func(t *testing.T, cfg *otelcol.Config) string {
	return func(t *testing.T, cfg *otelcol.Config) string { return at(t, cfg, cfg.Receivers, "goproxy", key) }
}

func pemNamed(kind, other, otherKind string) func(t *testing.T, text string) string {
	return func(t *testing.T, text string) string {
		name := file(t.TempDir(), text)
		if strings.Contains(text, "\n") {
			return "" // is taken for the text of a PEM file
		}
		pemAt(t, name, kind)
		beside := filepath.Join(t.TempDir(), "other.pem")
		pemAt(t, beside, otherKind)
		t.Setenv(other, beside)
		return name
	}
}

// TestVerbatim is case 47: what a variable holds arrives as it is, or is refused
// by a line that names the variable, the reason and the cure.
func TestVerbatim(t *testing.T) {
	require.Len(t, arrivals, len(config.Variables))
	for _, variable := range config.Variables {
		arrival, ok := arrivals[variable.Name]
		require.True(t, ok, "%s: say where it arrives", variable.Name)
		for _, text := range hostile {
			t.Run(fmt.Sprintf("case 47: %s=%+q", variable.Name, text), func(t *testing.T) {
				isolate(t)
				whole := arrival.around(t, text)
				if whole == "" {
					return
				}
				t.Setenv(variable.Name, whole)
				cfg, err := merged(t)
				if err != nil {
					said := describe(err, &effective{})
					assert.Contains(t, said, variable.Name)
					assert.Regexp(t, `: .+; .+`, said)
					assert.NotContains(t, said, os.Getenv("HOME"))
					return
				}
				assert.Equal(t, whole, arrival.where(t, cfg))
			})
		}
	}
}
