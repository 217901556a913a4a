// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/collector/config"
)

func TestVersion(t *testing.T) {
	isolate(t)
	code, stdout, stderr := modtap(t, "version")
	assert.Zero(t, code)
	assert.True(t, strings.HasPrefix(stdout, "modtap "+currentVersion()+" go"), stdout)
	assert.Empty(t, stderr)
}

func TestComponents(t *testing.T) {
	isolate(t)
	code, stdout, _ := modtap(t, "components")
	assert.Zero(t, code)
	for _, want := range []string{"name: elastic\n", "name: goproxy\n", "name: jsonlines\n", "name: prometheus\n", "name: otlp\n", "name: otlp_http\n", "name: memory_limiter\n", "name: file_storage\n", "scheme: modtap\n"} {
		assert.Contains(t, stdout, want)
	}
}

// TestVariablesAreDocumented: the help and the README have the one table.
func TestVariablesAreDocumented(t *testing.T) {
	isolate(t)
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, variables, _ := strings.Cut(string(readme), "\n## Variables\n")
	variables, _, _ = strings.Cut(variables, "\n\n## ")
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"help", "run"}} {
		code, help, _ := modtap(t, args...)
		assert.Zero(t, code)
		for _, v := range config.Variables {
			assert.Regexp(t, `(?m)^  `+v.Name+` +`+regexp.QuoteMeta(v.Help())+`$`, help)
			assert.Regexp(t, "(?m)^\\|.*`"+v.Name+"`.*\\|", variables)
			assert.Contains(t, variables, v.Default)
		}
	}
	for _, name := range regexp.MustCompile("MODTAP_[A-Z_]+[A-Z]").FindAllString(variables, -1) {
		_, ok := config.Lookup(name)
		assert.True(t, ok, "the README names %s, which Modtap doesn't read", name)
	}
	_, help, _ := modtap(t, "version", "--help")
	assert.NotContains(t, help, "MODTAP_")
}

// TestBadConfiguration holds the exact line for each fault that a user can make.
func TestBadConfiguration(t *testing.T) {
	otlp := func(sets ...string) []string {
		args := []string{"--config", "testdata/otlp.yaml"}
		for _, set := range sets {
			args = append(args, "--set", set)
		}
		return args
	}
	busy := taken(t)
	_, busyPort, err := net.SplitHostPort(busy)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	tests := []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"unknown key", otlp("receivers.otlp.protocols.http.endpont=x"), nil, "receivers::otlp::protocols::http: unknown key endpont; did you mean endpoint?"},
		{"unknown key of a component", otlp("exporters.otlp_http.foo=x"), nil, "exporters::otlp_http: unknown key foo; correct its spelling or remove it"},
		{"unknown section", otlp("receiverz.otlp=x"), nil, "unknown key receiverz; did you mean receivers?"},
		{"unknown component", otlp("processors.batch.timeout=1s"), nil, "processors::batch: unknown type; there are memory_limiter"},
		{"unknown reference", otlp("service.pipelines.traces.exporters=[nope]"), nil, `service::pipelines::traces: references exporter "nope" which is not configured; there are debug`},
		{"bad value", otlp("exporters.debug.verbosity=loud"), nil, `exporters::debug::verbosity: unknown metrics level "loud"`},
		{
			"two faults",
			otlp("exporters.otlp_http.sending_queue.num_consumers=-3"), nil,
			"exporters::otlp_http: at least one endpoint must be specified; exporters::otlp_http::sending_queue: `num_consumers` must be positive",
		},
		{"not an address", otlp("extensions.health.endpoint=8080"), nil, `extensions::health::endpoint: "8080" isn't an address to listen on; write HOST:PORT, 127.0.0.1:8081 for one`},
		{
			"port taken by the receiver",
			otlp("receivers.otlp.protocols.http.endpoint=" + busy), nil,
			"receivers::otlp::protocols::http::endpoint: address " + busy + " already in use; stop what listens there or set it to another address",
		},
		{
			"port taken, by name",
			otlp("extensions.health.endpoint=localhost:" + busyPort), nil,
			"extensions::health::endpoint: address localhost:" + busyPort + " already in use; stop what listens there or set it to another address",
		},
		{
			"two listeners on one port",
			otlp("extensions.health.endpoint=127.0.0.1:4999", "receivers.otlp.protocols.http.endpoint=0.0.0.0:4999"), nil,
			"receivers::otlp::protocols::http::endpoint: address 0.0.0.0:4999 is also that of extensions::health::endpoint; give each listener a port of its own",
		},
		{"missing file", []string{"--config", "testdata/nope.yaml"}, nil, "--config testdata/nope.yaml: no such file or directory; name a file, or modtap:base for the embedded configuration"},
		{"unknown scheme", []string{"--config", "foo:bar"}, nil, "--config foo:bar: unknown scheme; name a file, or modtap:base for the embedded configuration"},
		{"unknown fragment", []string{"--config", "modtap:jeager"}, nil, "--config modtap:jeager: no such embedded configuration; did you mean jaeger? there are base, elasticsearch, jaeger, jsonlines, tls"},
		{"set without a value", otlp("exporters.debug"), nil, "--set exporters.debug: no equal sign; write KEY=VALUE"},
		{"mistyped flag", []string{"--confg", "x"}, nil, "--confg: no such flag of modtap run; did you mean --config?"},
		{"unknown short flag", []string{"-x"}, nil, "-x: no such flag of modtap run; see modtap run --help"},
		{"flag without a value", []string{"--config"}, nil, "modtap run: flag needs an argument: --config; see modtap run --help"},
		{"empty configuration", []string{"--config", ""}, nil, "--config: empty; name a file, or modtap:base for the embedded configuration"},
		{"setting that is no YAML", otlp("exporters.debug.verbosity=@x"), nil, "--set exporters.debug.verbosity: line 1: found character that cannot start any token; put the text into quotes"},
		{"mistyped component", otlp("exporters.promethus.endpoint=x"), nil, "exporters::promethus: unknown type; did you mean prometheus? there are " + exporterTypes(t)},
		{"mistyped reference", otlp("service.pipelines.traces.exporters=[debgu]"), nil, `service::pipelines::traces: references exporter "debgu" which is not configured; did you mean debug? there are debug`},
		{"unknown flag", []string{"--foo"}, nil, "--foo: no such flag of modtap run; see modtap run --help"},
		{"unknown argument", []string{"base.yaml"}, nil, "base.yaml: modtap run takes no argument; did you mean --config base.yaml?"},
		{
			"jaeger without a scheme", nil,
			map[string]string{"MODTAP_JAEGER": "localhost:4318"},
			`MODTAP_JAEGER: "localhost:4318" has no scheme; write http://HOST:4318 (OTLP/HTTP) or grpc://HOST:4317 (OTLP/gRPC), with https or grpcs for TLS`,
		},
		{
			"elasticsearch without a scheme", nil,
			map[string]string{"MODTAP_ELASTICSEARCH": "elastic:secret@localhost:9200"},
			`MODTAP_ELASTICSEARCH: "(URL)" has no scheme; write http://HOST:9200 or https://HOST:9200`,
		},
		{
			"port of the proxy taken", nil,
			map[string]string{"MODTAP_LISTEN": busy},
			"receivers::goproxy::ingress::endpoint: address " + busy + " already in use; stop what listens there or set MODTAP_LISTEN to another address",
		},
		{
			"port of the metrics taken", nil,
			map[string]string{"MODTAP_METRICS_LISTEN": busy},
			"exporters::prometheus::endpoint: address " + busy + " already in use; stop what listens there or set MODTAP_METRICS_LISTEN to another address",
		},
		{
			"port of the health taken", nil,
			map[string]string{"MODTAP_HEALTH_LISTEN": busy},
			"extensions::health::endpoint: address " + busy + " already in use; stop what listens there or set MODTAP_HEALTH_LISTEN to another address",
		},
		{
			"two variables with one port", nil,
			map[string]string{"MODTAP_LISTEN": "127.0.0.1:9999", "MODTAP_METRICS_LISTEN": ":9999"},
			"receivers::goproxy::ingress::endpoint (MODTAP_LISTEN): address 127.0.0.1:9999 is also that of exporters::prometheus::endpoint (MODTAP_METRICS_LISTEN); give each listener a port of its own",
		},
		{
			"listen on a port alone", nil,
			map[string]string{"MODTAP_LISTEN": "8081"},
			`receivers::goproxy::ingress::endpoint (MODTAP_LISTEN): "8081" isn't an address to listen on; write HOST:PORT, 127.0.0.1:8081 for one`,
		},
		{"unknown key of the proxy", []string{"--set", "receivers.goproxy.ingress.endpont=x"}, nil, "receivers::goproxy::ingress: unknown key endpont; did you mean endpoint?"},
		{"unknown block of the proxy", []string{"--set", "receivers.goproxy.ingres.endpoint=x"}, nil, "receivers::goproxy: unknown key ingres; did you mean ingress?"},
		{
			"upstream without a scheme", nil,
			map[string]string{"MODTAP_UPSTREAM": "athens"},
			`receivers::goproxy::upstream (MODTAP_UPSTREAM): "athens" is neither "embedded" nor a URL with a scheme; write for example http://127.0.0.1:3000`,
		},
		{
			"log in a directory", nil,
			map[string]string{"MODTAP_LOG": os.TempDir()},
			"exporters::jsonlines::path (MODTAP_LOG): " + os.TempDir() + ` is a directory: name a file that Modtap may write to, or "-" for standard output`,
		},
		{"certificate without a key", nil, map[string]string{"MODTAP_TLS_CERT": "/c.pem"}, "MODTAP_TLS_KEY: not set, but MODTAP_TLS_CERT is; set both or neither"},
		{"key without a certificate", nil, map[string]string{"MODTAP_TLS_KEY": "/k.pem"}, "MODTAP_TLS_CERT: not set, but MODTAP_TLS_KEY is; set both or neither"},
		{"data directory is a file", otlp(), map[string]string{"MODTAP_DATA": file}, "MODTAP_DATA: mkdir " + file + ": not a directory; set MODTAP_DATA to a directory that Modtap may write"},
		{
			"data directory can't be made", otlp(),
			map[string]string{"MODTAP_DATA": filepath.Join(file, "data")},
			"MODTAP_DATA: mkdir " + file + ": not a directory; set MODTAP_DATA to a directory that Modtap may write",
		},
		{
			"no home", otlp(),
			map[string]string{"MODTAP_DATA": "", "HOME": "", "XDG_CACHE_HOME": ""},
			"MODTAP_DATA: neither $XDG_CACHE_HOME nor $HOME are defined; set MODTAP_DATA to a directory that Modtap may write",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			for _, name := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
				t.Setenv(name, "127.0.0.1:0")
			}
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			began := time.Now()
			code, stdout, stderr := modtap(t, append([]string{"run"}, tt.args...)...)
			assert.Equal(t, 1, code)
			assert.Equal(t, "modtap: "+tt.want+"\n", stderr)
			assert.Empty(t, stdout)
			assert.Less(t, time.Since(began), 20*time.Second, "it waits for nothing")
		})
	}
}

func TestDataDirectoryInUse(t *testing.T) {
	data := isolate(t)
	lock, err := lockData(data, t.Output())
	require.NoError(t, err)

	code, _, stderr := modtap(t, "run", "--config", "testdata/otlp.yaml")
	assert.Equal(t, 1, code)
	// The test holds the lock itself, so the process named is this one.
	assert.Equal(t, "modtap: MODTAP_DATA: "+data+" is in use by another modtap (process "+pid()+"); stop it or set MODTAP_DATA to another directory\n", stderr)

	code, _, stderr = modtap(t, "validate", "--config", "testdata/otlp.yaml")
	assert.Zero(t, code, "validate takes no lock: %s", stderr)

	require.NoError(t, lock.Close())
	lock, err = lockData(data, t.Output())
	require.NoError(t, err, "a lock that was given back can be taken again")
	require.NoError(t, lock.Close())
}

func TestValidateLeavesNoTrace(t *testing.T) {
	data := filepath.Join(isolate(t), "data")
	t.Setenv("MODTAP_DATA", data)
	code, stdout, stderr := modtap(t, "validate", "--config", "testdata/otlp.yaml")
	assert.Zero(t, code)
	assert.Equal(t, "configuration is valid: 1 receiver, 1 exporter, 1 extension, 1 pipeline\n", stdout)
	assert.Empty(t, stderr)
	assert.NoDirExists(t, data)

	code, _, stderr = modtap(t, "validate", "--config", "testdata/otlp.yaml", "--set", "exporters.debug.verbosity=loud")
	assert.Equal(t, 1, code)
	assert.Equal(t, "modtap: exporters::debug::verbosity: unknown metrics level \"loud\"\n", stderr)
}

func TestFragmentsByVariables(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"nothing set", nil, "base jsonlines"},
		{"no log", map[string]string{"MODTAP_LOG": "off"}, "base"},
		{"log on standard output", map[string]string{"MODTAP_LOG": "-"}, "base jsonlines"},
		{"jaeger", map[string]string{"MODTAP_JAEGER": "http://j:4318"}, "base jsonlines jaeger"},
		{
			"all",
			map[string]string{"MODTAP_JAEGER": "grpc://j:4317", "MODTAP_ELASTICSEARCH": "http://es:9200", "MODTAP_TLS_CERT": "c", "MODTAP_TLS_KEY": "k"},
			"base tls jsonlines jaeger elasticsearch",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			require.NoError(t, setDefaults())
			uris, err := (&sources{sets: []string{"a.b=c"}}).uris()
			require.NoError(t, err)
			assert.Equal(t, "modtap:"+strings.ReplaceAll(tt.want, " ", " modtap:")+" yaml:a::b: c", strings.Join(uris, " "))
		})
	}
}

func TestDefaults(t *testing.T) {
	isolate(t)
	home := t.TempDir()
	t.Setenv("MODTAP_DATA", "")
	t.Setenv("MODTAP_LISTEN", "")
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	require.NoError(t, setDefaults())
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cache, "modtap"), os.Getenv("MODTAP_DATA"))
	assert.Equal(t, filepath.Join(cache, "modtap", "requests.jsonl"), os.Getenv("MODTAP_LOG"))
	_, set := os.LookupEnv("MODTAP_LISTEN")
	assert.False(t, set, "an empty variable counts as unset, so that the fragments' defaults hold")

	t.Setenv("MODTAP_DATA", "relative")
	require.NoError(t, setDefaults())
	assert.True(t, filepath.IsAbs(os.Getenv("MODTAP_DATA")))
}

// exporterTypes are the types of exporters that are compiled in.
func exporterTypes(t *testing.T) string {
	t.Helper()
	var names []string
	for _, p := range exporters(newRegistry(), nil) {
		names = append(names, p.factory.Type().String())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
