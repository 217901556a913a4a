// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
)

// unset clears what the machine that runs the tests may have set.
func unset(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"MODTAP_DATA", "MODTAP_ELASTICSEARCH", "MODTAP_JAEGER", "MODTAP_LISTEN", "MODTAP_LOG", "MODTAP_METRICS_LISTEN", "MODTAP_TLS_CERT", "MODTAP_TLS_KEY",
	} {
		t.Setenv(name, "")
	}
}

// pair returns the files of a certificate's and a key's PEM block, which nobody parses here.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY"}), 0o600))
	return cert, key
}

func resolve(t *testing.T, uris ...string) (*confmap.Conf, error) {
	t.Helper()
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              uris,
		ProviderFactories: []confmap.ProviderFactory{NewFactory(), envprovider.NewFactory()},
		DefaultScheme:     "env",
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, resolver.Shutdown(t.Context())) })
	return resolver.Resolve(t.Context())
}

func TestFragments(t *testing.T) {
	cert, key := pair(t)
	tests := []struct {
		name     string
		fragment string
		env      map[string]string
		want     map[string]any
	}{
		{
			"base", "modtap:base",
			map[string]string{"MODTAP_DATA": "/data"},
			map[string]any{
				"extensions::file_storage::directory": "/data/queue",
				"extensions::file_storage::recreate":  true,
				"receivers::goproxy::data_dir":        "/data",
				"service::pipelines::metrics::exporters": []any{
					"prometheus",
				},
			},
		},
		{
			"log to a file with a dollar sign", "modtap:jsonlines",
			map[string]string{"MODTAP_LOG": "/log/$$${x}"},
			map[string]any{"exporters::jsonlines::path": "/log/$$${x}"},
		},
		{
			"log to standard output", "modtap:jsonlines",
			map[string]string{"MODTAP_LOG": "-"},
			map[string]any{"exporters::jsonlines::path": "-"},
		},
		{
			"jaeger over HTTP", "modtap:jaeger",
			map[string]string{"MODTAP_JAEGER": "https://jaeger:4318/"},
			map[string]any{
				"exporters::otlp_http/jaeger::endpoint":                           "https://jaeger:4318",
				"exporters::otlp_http/jaeger::sending_queue::sizer":               "bytes",
				"exporters::otlp_http/jaeger::sending_queue::storage":             "file_storage",
				"exporters::otlp_http/jaeger::retry_on_failure::max_elapsed_time": 0,
			},
		},
		{
			"jaeger over gRPC", "modtap:jaeger",
			map[string]string{"MODTAP_JAEGER": "grpc://jaeger:4317"},
			map[string]any{
				"exporters::otlp_grpc/jaeger::endpoint":                  "jaeger:4317",
				"exporters::otlp_grpc/jaeger::tls::insecure":             true,
				"exporters::otlp_grpc/jaeger::sending_queue::queue_size": 1 << 30,
			},
		},
		{
			"jaeger over gRPC with TLS", "modtap:jaeger",
			map[string]string{"MODTAP_JAEGER": "grpcs://jaeger:4317"},
			map[string]any{
				"exporters::otlp_grpc/jaeger::endpoint":      "jaeger:4317",
				"exporters::otlp_grpc/jaeger::tls::insecure": false,
			},
		},
		{
			"elasticsearch with a password", "modtap:elasticsearch",
			map[string]string{"MODTAP_ELASTICSEARCH": "https://u:p$$w@es:9200"},
			map[string]any{"exporters::elastic::endpoints": []any{"https://u:p$$w@es:9200"}},
		},
		{
			"tls", "modtap:tls",
			map[string]string{"MODTAP_TLS_CERT": cert, "MODTAP_TLS_KEY": key},
			map[string]any{
				"receivers::goproxy::ingress::tls::cert_file": cert,
				"receivers::goproxy::ingress::tls::key_file":  key,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unset(t)
			t.Setenv("MODTAP_DATA", "/data")
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			conf, err := resolve(t, tt.fragment)
			require.NoError(t, err)
			for key, want := range tt.want {
				assert.Equal(t, want, conf.Get(key), key)
			}
		})
	}
}

func TestFragmentsMerge(t *testing.T) {
	unset(t)
	t.Setenv("MODTAP_DATA", "/data")
	t.Setenv("MODTAP_LOG", "-")
	t.Setenv("MODTAP_JAEGER", "http://jaeger:4318")
	t.Setenv("MODTAP_ELASTICSEARCH", "http://es:9200")
	cert, private := pair(t)
	t.Setenv("MODTAP_TLS_CERT", cert)
	t.Setenv("MODTAP_TLS_KEY", private)
	conf, err := resolve(t, "modtap:elasticsearch", "modtap:jaeger", "modtap:jsonlines", "modtap:tls", "modtap:base")
	require.NoError(t, err)
	pipelines, ok := conf.Get("service::pipelines").(map[string]any)
	require.True(t, ok)
	assert.Len(t, pipelines, 4, "one pipeline of base and one of each backend")
	assert.Equal(t, []any{"health", "file_storage"}, conf.Get("service::extensions"))
	assert.Equal(t, cert, conf.Get("receivers::goproxy::ingress::tls::cert_file"))
	assert.Equal(t, "/data", conf.Get("receivers::goproxy::data_dir"))
}

func TestFaults(t *testing.T) {
	const jaeger = "; write http://HOST:4318 (OTLP/HTTP) or grpc://HOST:4317 (OTLP/gRPC), with https or grpcs for TLS"
	_, key := pair(t)
	const elastic = "; write http://HOST:9200 or https://HOST:9200"
	tests := []struct {
		name     string
		fragment string
		variable string
		text     string
		want     string
	}{
		{"unknown fragment", "modtap:jeager", "MODTAP_JAEGER", "", "--config modtap:jeager: no such embedded configuration; did you mean jaeger? there are base, elasticsearch, jaeger, jsonlines, tls"},
		{"file of a fragment", "modtap:jaeger-grpc", "MODTAP_JAEGER", "", "--config modtap:jaeger-grpc: no such embedded configuration; there are base, elasticsearch, jaeger, jsonlines, tls"},
		{"jaeger unset", "modtap:jaeger", "MODTAP_JAEGER", "", "MODTAP_JAEGER: not set" + jaeger},
		{"jaeger without a scheme", "modtap:jaeger", "MODTAP_JAEGER", "jaeger:4318", `MODTAP_JAEGER: "jaeger:4318" has no scheme` + jaeger},
		{"jaeger with another scheme", "modtap:jaeger", "MODTAP_JAEGER", "thrift://jaeger:6831", `MODTAP_JAEGER: "thrift://jaeger:6831" has the unknown scheme thrift` + jaeger},
		{"jaeger over gRPC without a port", "modtap:jaeger", "MODTAP_JAEGER", "grpc://jaeger", `MODTAP_JAEGER: "grpc://jaeger" isn't grpc://HOST:PORT` + jaeger},
		{"jaeger over gRPC with a path", "modtap:jaeger", "MODTAP_JAEGER", "grpc://jaeger:4317/v1", `MODTAP_JAEGER: "grpc://jaeger:4317/v1" isn't grpc://HOST:PORT` + jaeger},
		{"elasticsearch unset", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "", "MODTAP_ELASTICSEARCH: not set" + elastic},
		{"elasticsearch without a scheme", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "u:secret@es:9200", `MODTAP_ELASTICSEARCH: "(URL)" has no scheme` + elastic},
		{"elasticsearch with a bad port", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "http://u:secret@es:92x0", `MODTAP_ELASTICSEARCH: "(URL)" isn't a URL` + elastic + ", with %XX for special characters of user and password"},
		{"elasticsearch without a host", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "http://:9200", `MODTAP_ELASTICSEARCH: "http://:9200" isn't a URL` + elastic},
		{"log unset", "modtap:jsonlines", "MODTAP_LOG", "", "MODTAP_LOG: not set; set it to a file, - or off"},
		{"certificate missing", "modtap:tls", "MODTAP_TLS_CERT", "/nope.pem", "MODTAP_TLS_CERT: open /nope.pem: no such file or directory; set it to the file of the certificate, in PEM"},
		{"certificate is the text", "modtap:tls", "MODTAP_TLS_CERT", "-----BEGIN PRIVATE KEY-----\nsecret", "MODTAP_TLS_CERT: holds the text of a PEM file; set it to what modtap --help says, files in PEM by their names"},
		{"certificate is a key", "modtap:tls", "MODTAP_TLS_CERT", key, "MODTAP_TLS_CERT: " + key + " holds no PEM block CERTIFICATE; set it to the file of the certificate, in PEM"},
		{"certificate is a directory", "modtap:tls", "MODTAP_TLS_CERT", filepath.Dir(key), "MODTAP_TLS_CERT: read " + filepath.Dir(key) + ": is a directory; set it to the file of the certificate, in PEM"},
		{"service name in Latin-1", "modtap:base", "MODTAP_SERVICE_NAME", "caf\xe9", `MODTAP_SERVICE_NAME: "caf\xe9" isn't UTF-8; write it in UTF-8`},
		{"environment in Latin-1", "modtap:base", "MODTAP_ENVIRONMENT", "caf\xe9", `MODTAP_ENVIRONMENT: "caf\xe9" isn't UTF-8; write it in UTF-8`},
		{"certificate unset", "modtap:tls", "MODTAP_TLS_KEY", "/k.pem", "MODTAP_TLS_CERT: not set; set it to the file of the certificate, in PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unset(t)
			t.Setenv("MODTAP_DATA", "/data")
			t.Setenv(tt.variable, tt.text)
			_, err := resolve(t, tt.fragment)
			var fault *Error
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, tt.want, fault.Error())
		})
	}
}

func TestOrigin(t *testing.T) {
	unset(t)
	t.Setenv("MODTAP_LISTEN", "127.0.0.1:9000")
	t.Setenv("MODTAP_JAEGER", "http://j$$:4318/")
	t.Setenv("MODTAP_ELASTICSEARCH", "http://es:9200")
	const listen = "receivers::goproxy::ingress::endpoint"
	assert.Equal(t, "MODTAP_LISTEN", Origin(listen, "127.0.0.1:9000"))
	assert.Empty(t, Origin(listen, "127.0.0.1:8081"), "the variable gives another value, so it was overridden")
	assert.Equal(t, "MODTAP_METRICS_LISTEN", Origin("exporters::prometheus::endpoint", "127.0.0.1:9464"), "its default")
	assert.Equal(t, "MODTAP_JAEGER", Origin("exporters::otlp_http/jaeger::endpoint", "http://j$$:4318"))
	assert.Equal(t, "MODTAP_ELASTICSEARCH", Origin("exporters::elastic::endpoints", "http://es:9200"))
	assert.Empty(t, Origin("exporters::otlp_http/jaeger::endpoint", "anything"))
	assert.Empty(t, Origin("receivers::otlp::protocols::http::endpoint", "127.0.0.1:4318"))
	assert.Empty(t, Origin("extensions::file_storage::directory", "/x/queue"), "only a part of it comes from the variable")
}

// TestOneDoor: a fragment reads variables as ${modtap:NAME} only, each of the
// table is read by the fragment that it names, and each value by some fragment.
func TestOneDoor(t *testing.T) {
	entries, err := files.ReadDir(".")
	require.NoError(t, err)
	read, used := map[string]bool{}, map[string]bool{}
	for _, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		require.NoError(t, err)
		fragment := "modtap:" + strings.TrimSuffix(strings.TrimSuffix(entry.Name(), ".yaml"), "-grpc")
		for _, found := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(string(text), -1) {
			name, ok := strings.CutPrefix(found[1], "modtap:")
			if assert.True(t, ok, "%s: ${%s} takes a variable for YAML; write ${modtap:NAME}", entry.Name(), found[1]) &&
				assert.Contains(t, values, name, entry.Name()) {
				used[name] = true
				read[values[name].variable+" "+fragment] = true
			}
		}
	}
	assert.Len(t, used, len(values), "a value that no fragment reads")
	for _, v := range Variables {
		if v.Fragment != "" {
			assert.True(t, read[v.Name+" "+v.Fragment], "%s isn't read by %s", v.Name, v.Fragment)
		}
	}
	for name, v := range values {
		_, ok := Lookup(v.variable)
		assert.True(t, ok, "%s reads %s, which is in no table", name, v.variable)
	}
}
