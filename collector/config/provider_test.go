// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
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

// pem returns a file that can be read.
func pem(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.pem")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	return name
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
	cert, key := pem(t), pem(t)
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
	cert := pem(t)
	t.Setenv("MODTAP_TLS_CERT", cert)
	t.Setenv("MODTAP_TLS_KEY", pem(t))
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
	const elastic = "; write http://HOST:9200 or https://HOST:9200"
	tests := []struct {
		name     string
		fragment string
		variable string
		text     string
		want     string
	}{
		{"unknown fragment", "modtap:jeager", "MODTAP_JAEGER", "", "--config modtap:jeager: no such embedded configuration; there are base, elasticsearch, jaeger, jsonlines, tls"},
		{"file of a fragment", "modtap:jaeger-grpc", "MODTAP_JAEGER", "", "--config modtap:jaeger-grpc: no such embedded configuration; there are base, elasticsearch, jaeger, jsonlines, tls"},
		{"jaeger unset", "modtap:jaeger", "MODTAP_JAEGER", "", "MODTAP_JAEGER: not set" + jaeger},
		{"jaeger without a scheme", "modtap:jaeger", "MODTAP_JAEGER", "jaeger:4318", `MODTAP_JAEGER: "jaeger:4318" has no scheme` + jaeger},
		{"jaeger with another scheme", "modtap:jaeger", "MODTAP_JAEGER", "thrift://jaeger:6831", `MODTAP_JAEGER: "thrift://jaeger:6831" has the unknown scheme thrift` + jaeger},
		{"jaeger over gRPC without a port", "modtap:jaeger", "MODTAP_JAEGER", "grpc://jaeger", `MODTAP_JAEGER: "grpc://jaeger" isn't grpc://HOST:PORT` + jaeger},
		{"jaeger over gRPC with a path", "modtap:jaeger", "MODTAP_JAEGER", "grpc://jaeger:4317/v1", `MODTAP_JAEGER: "grpc://jaeger:4317/v1" isn't grpc://HOST:PORT` + jaeger},
		{"elasticsearch unset", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "", "MODTAP_ELASTICSEARCH: not set" + elastic},
		{"elasticsearch without a scheme", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "u:secret@es:9200", `MODTAP_ELASTICSEARCH: "es:9200" has no scheme` + elastic},
		{"elasticsearch with a bad port", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "http://u:secret@es:92x0", `MODTAP_ELASTICSEARCH: "http://es:92x0" isn't a URL` + elastic + ", with %XX for special characters of user and password"},
		{"elasticsearch without a host", "modtap:elasticsearch", "MODTAP_ELASTICSEARCH", "http://:9200", `MODTAP_ELASTICSEARCH: "http://:9200" isn't a URL` + elastic},
		{"log unset", "modtap:jsonlines", "MODTAP_LOG", "", "MODTAP_LOG: not set; set it to a file, - or off"},
		{"certificate missing", "modtap:tls", "MODTAP_TLS_CERT", "/nope.pem", "MODTAP_TLS_CERT: open /nope.pem: no such file or directory; set it to the file of the certificate, in PEM"},
		{"certificate unset", "modtap:tls", "MODTAP_TLS_KEY", "/k.pem", "MODTAP_TLS_CERT: not set; set it to the file of the certificate, in PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unset(t)
			t.Setenv(tt.variable, tt.text)
			_, err := resolve(t, tt.fragment)
			var fault *Error
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, tt.want, fault.Error())
		})
	}
}

func TestVariable(t *testing.T) {
	unset(t)
	t.Setenv("MODTAP_LISTEN", "127.0.0.1:9000")
	const listen = "receivers::goproxy::ingress::endpoint"
	assert.Equal(t, "MODTAP_LISTEN", Variable(listen, "127.0.0.1:9000"))
	assert.Empty(t, Variable(listen, "127.0.0.1:8081"), "the variable gives another value, so it was overridden")
	assert.Equal(t, "MODTAP_JAEGER", Variable("exporters::otlp_http/jaeger::endpoint", "anything"))
	assert.Empty(t, Variable("receivers::otlp::protocols::http::endpoint", "127.0.0.1:4318"))
	assert.Empty(t, Variable("extensions::file_storage::directory", "/x/queue"), "only a part of it comes from the variable")
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"http://es:9200":                 "http://es:9200",
		"http://u:p@es:9200/x?key=s#f":   "http://es:9200/x",
		"u:p@es:9200":                    "es:9200",
		"u:p@es://x":                     "es://x",
		"http://u:p/w?x@es:9200":         "http://es:9200",
		"http://u:p@h@es:9200":           "http://es:9200",
		"/var/log/modtap/requests.jsonl": "/var/log/modtap/requests.jsonl",
	} {
		assert.Equal(t, want, Redact(in), in)
	}
}

// FuzzRedact shows that nothing of user and password is in what is printed: it
// is the same whatever they are.
func FuzzRedact(f *testing.F) {
	f.Add("http", "user", "secret", "es:9200")
	f.Add("", "u", "p/w?x#y@z", "es")
	f.Add("a@b", "://", "", "/")
	f.Fuzz(func(t *testing.T, scheme, user, password, rest string) {
		assert.Equal(t, Redact(scheme+"://@"+rest), Redact(scheme+"://"+user+":"+password+"@"+rest))
	})
}
