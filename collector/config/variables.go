// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

// A Variable is an environment variable that Modtap reads. One that is set but
// empty counts as unset.
type Variable struct {
	// Name is MODTAP_LISTEN, for one.
	Name string
	// Fragment is the embedded configuration that reads it; "": the command itself.
	Fragment string
	// Default is what it means while it isn't set; "": off, or nothing, as Meaning says.
	Default string
	// Meaning is one line for people.
	Meaning string
}

// Variables are all that there are, in the order in which people are shown them:
// the help of the command and the README have this table, and a test compares.
var Variables = []Variable{
	{"MODTAP_DATA", "", "", "data directory, locked by the running Modtap; modtap in the user's cache directory"},
	{"MODTAP_LISTEN", "modtap:base", "127.0.0.1:8081", "where clients connect"},
	{"MODTAP_TLS_CERT", "modtap:tls", "", "serve HTTPS with this certificate, a file in PEM; off"},
	{"MODTAP_TLS_KEY", "modtap:tls", "", "and with its key, a file in PEM; off"},
	{"MODTAP_UPSTREAM", "modtap:base", "embedded", "embedded, or the URL of the one proxy that Modtap stands in front of"},
	{"MODTAP_EGRESS_LISTEN", "modtap:base", "", "where that proxy sends its own upstream requests; off"},
	{"MODTAP_EGRESS_UPSTREAM", "modtap:base", "", "the GOPROXY list behind the embedded proxy and the egress; the user's go env GOPROXY"},
	{"MODTAP_UNSEEN_PATTERNS", "modtap:base", "", "what that proxy fetches past the egress, module path patterns as in GONOPROXY: git.corp.example,*.dev.example, or none; not known"},
	{"MODTAP_METRICS_LISTEN", "modtap:base", "127.0.0.1:9464", "where Prometheus scrapes /metrics"},
	{"MODTAP_HEALTH_LISTEN", "modtap:base", "127.0.0.1:13133", "where probes ask /, /ready and /healthy"},
	{"MODTAP_ALLOWED_HOSTS", "modtap:base", "", "names besides localhost that listeners on loopback answer to, with commas: goproxy.corp.example,*.dev.example; none"},
	{"MODTAP_JAEGER", "modtap:jaeger", "", "http(s)://HOST:4318 for OTLP/HTTP, grpc(s)://HOST:4317 for OTLP/gRPC; off"},
	{"MODTAP_ELASTICSEARCH", "modtap:elasticsearch", "", "http(s)://HOST:9200, user and password in it if need be; off"},
	{"MODTAP_LOG", "modtap:jsonlines", "", "path of the JSON log, - for standard output, off; requests.jsonl in the data directory"},
	{"MODTAP_SERVICE_NAME", "modtap:base", "goproxy", "service.name of the observed proxy"},
	{"MODTAP_ENVIRONMENT", "modtap:base", "", "its deployment.environment.name; none"},
}

// Help returns the meaning and, behind a semicolon, the default.
func (v Variable) Help() string {
	if v.Default == "" {
		return v.Meaning
	}
	return v.Meaning + "; " + v.Default
}

// Lookup returns the variable of a name.
func Lookup(name string) (Variable, bool) {
	for _, v := range Variables {
		if v.Name == name {
			return v, true
		}
	}
	return Variable{}, false
}
