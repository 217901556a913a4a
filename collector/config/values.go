// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modtap/modtap/internal/frontdoor"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
)

// A value is what a variable means to a fragment.
type value struct {
	variable string
	// read checks the variable's text, which is the variable's default, "" if it
	// has none, where it isn't set. It returns a string through verbatim.
	read func(variable, text string) (any, error)
}

// get reads the environment. Its error is an [*Error].
func (v value) get() (any, error) {
	text := os.Getenv(v.variable)
	if text == "" {
		known, _ := Lookup(v.variable)
		text = known.Default
	}
	if strings.Contains(text, "-----BEGIN ") { // which isn't for an error, as it may be a key
		return nil, &Error{Key: v.variable, Reason: "holds the text of a PEM file", Cure: "set it to what modtap --help says, files in PEM by their names"}
	}
	return v.read(v.variable, text)
}

// values are named in fragments as ${modtap:NAME}, the only way in which a
// fragment reads a variable. Unlike ${env:NAME} they are checked, and taken
// verbatim: "-" is no YAML list, 0123 no number, "$" starts no reference.
var values = map[string]value{
	"allowed-hosts":          {"MODTAP_ALLOWED_HOSTS", hosts},
	"data":                   {"MODTAP_DATA", needed("a directory that Modtap may write")},
	"egress-listen":          {"MODTAP_EGRESS_LISTEN", asWritten},
	"egress-upstream":        {"MODTAP_EGRESS_UPSTREAM", asWritten},
	"elasticsearch-endpoint": {"MODTAP_ELASTICSEARCH", elasticsearchEndpoint},
	"environment":            {"MODTAP_ENVIRONMENT", label},
	"health-listen":          {"MODTAP_HEALTH_LISTEN", asWritten},
	"jaeger-endpoint":        {"MODTAP_JAEGER", jaegerEndpoint},
	"jaeger-insecure":        {"MODTAP_JAEGER", jaegerInsecure},
	"listen":                 {"MODTAP_LISTEN", asWritten},
	"log":                    {"MODTAP_LOG", needed("a file, - or off")},
	"metrics-listen":         {"MODTAP_METRICS_LISTEN", asWritten},
	"service-name":           {"MODTAP_SERVICE_NAME", label},
	"tls-cert":               {"MODTAP_TLS_CERT", pemFile("CERTIFICATE", "the file of the certificate, in PEM")},
	"tls-key":                {"MODTAP_TLS_KEY", pemFile("PRIVATE KEY", "the file of the certificate's key, in PEM")},
	"unseen-patterns":        {"MODTAP_UNSEEN_PATTERNS", patterns},
	"upstream":               {"MODTAP_UPSTREAM", asWritten},
}

// asWritten leaves the check to the component, which has it for its YAML key too.
func asWritten(_, text string) (any, error) { return verbatim(text), nil }

// patterns takes module path patterns with commas between them, as GONOPROXY does
// (https://go.dev/ref/mod#environment-variables). Not set is nil: that isn't the same as none.
func patterns(variable, text string) (any, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // the key's own "not set"
	}
	fault := func(reason string) error {
		return &Error{Key: variable, Reason: reason, Cure: "write path patterns such as git.corp.example,*.dev.example, or none if nothing goes past"}
	}
	found := 0
	for pattern := range strings.SplitSeq(text, ",") {
		if pattern = strings.TrimSpace(pattern); pattern == "" {
			continue
		}
		found++
		if _, err := path.Match(pattern, ""); err != nil || !modulePattern.MatchString(pattern) {
			return nil, fault("has an element that is no pattern of a module path")
		}
	}
	if found == 0 {
		return nil, fault("has no element")
	}
	return verbatim(text), nil
}

// modulePattern is what a pattern of module paths is made of (https://pkg.go.dev/path#Match).
var modulePattern = regexp.MustCompile(`^[A-Za-z0-9*?\[][A-Za-z0-9*?\[\]^._~/-]*$`)

// needed takes a path, or a word instead of one.
func needed(expected string) func(string, string) (any, error) {
	return func(variable, text string) (any, error) {
		if text == "" {
			return nil, &Error{Key: variable, Reason: "not set", Cure: "set it to " + expected}
		}
		if err := CheckPath(text); err != nil {
			return nil, &Error{Key: variable, Reason: err.Error(), Cure: "set it to " + expected}
		}
		return verbatim(text), nil
	}
}

// CheckPath returns an error for a text that is no path, or one that a shell would
// have made another. It quotes nothing of it: a URL may hold a password.
func CheckPath(text string) error {
	switch {
	case strings.Contains(text, "://"):
		return errors.New("is a URL, not a path")
	case text == "~", strings.HasPrefix(text, "~/"):
		return errors.New("begins with ~, which a shell replaces and nobody else: write the whole path")
	}
	return nil
}

// hosts takes names with commas between them.
func hosts(variable, text string) (any, error) {
	items := []any{}
	for host := range strings.SplitSeq(text, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		if err := frontdoor.Validate([]string{host}); err != nil {
			reason, cure, _ := strings.Cut(err.Error(), "; ")
			return nil, &Error{Key: variable, Reason: reason, Cure: cure}
		}
		items = append(items, verbatim(host))
	}
	return items, nil
}

// label takes the text of an attribute, which protobuf and Prometheus want in UTF-8.
func label(variable, text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{Key: variable, Reason: fmt.Sprintf("%+q isn't UTF-8", text), Cure: "write it in UTF-8"}
	}
	return verbatim(text), nil
}

// pemFile takes the name of a file that holds a PEM block of a kind: CERTIFICATE, or
// PRIVATE KEY as it is or behind a word, "RSA PRIVATE KEY" (RFC 7468, RFC 5915).
func pemFile(kind, expected string) func(string, string) (any, error) {
	return func(variable, text string) (any, error) {
		fault := func(reason string) error { return &Error{Key: variable, Reason: reason, Cure: "set it to " + expected} }
		if text == "" {
			return nil, fault("not set")
		}
		content, err := os.ReadFile(text)
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fault(fmt.Sprintf("%s %s: %v", failed.Op, redact.Text(text), failed.Err))
		}
		for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
			if strings.HasSuffix(block.Type, kind) {
				return verbatim(text), nil
			}
		}
		return nil, fault(fmt.Sprintf("%s holds no PEM block %s", text, kind))
	}
}

// verbatim keeps confmap from taking a dollar sign for a reference.
func verbatim(text string) string { return strings.ReplaceAll(text, "$", "$$") }

const (
	jaegerCure        = "write http://HOST:4318 (OTLP/HTTP) or grpc://HOST:4317 (OTLP/gRPC), with https or grpcs for TLS"
	elasticsearchCure = "write http://HOST:9200 or https://HOST:9200"
)

func jaegerFile() (string, error) {
	// Through the door first, where every variable passes the same check.
	if _, err := values["jaeger-endpoint"].get(); err != nil {
		return "", err
	}
	if strings.HasPrefix(strings.ToLower(os.Getenv("MODTAP_JAEGER")), "grpc") {
		return "jaeger-grpc.yaml", nil
	}
	return "jaeger.yaml", nil
}

func jaegerURL(text string) (*url.URL, error) {
	u, err := backendURL("MODTAP_JAEGER", text, jaegerCure, "http", "https", "grpc", "grpcs")
	if err != nil {
		return nil, err
	}
	fault := func(reason, cure string) error {
		return &Error{Key: "MODTAP_JAEGER", Reason: fmt.Sprintf("%q %s", redact.Address(text), reason), Cure: cure}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	switch {
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fault("has a query or fragment", jaegerCure)
	case strings.HasPrefix(u.Scheme, "grpc") && (u.Port() == "" || u.Path != ""):
		return nil, fault("isn't grpc://HOST:PORT", jaegerCure)
	case strings.HasSuffix(u.Path, "/api/traces"):
		return nil, fault("is where an old Jaeger takes thrift", jaegerCure+"; a Jaeger without OTLP needs the exporter jaeger in a configuration of yours")
	}
	return u, nil
}

// JaegerDoubt returns what is odd with an address for MODTAP_JAEGER that may be meant all the same: the port that is usual for
// the other protocol. It returns "" if nothing is.
func JaegerDoubt(text string) string {
	u, err := jaegerURL(text)
	if err != nil {
		return ""
	}
	const doubt = "MODTAP_JAEGER: port %s is usual for %s; if nothing arrives, write %s://%s"
	secure := strings.TrimPrefix(strings.TrimPrefix(u.Scheme, "http"), "grpc")
	switch isGRPC := strings.HasPrefix(u.Scheme, "grpc"); {
	case !isGRPC && u.Port() == "4317":
		return fmt.Sprintf(doubt, "4317", "OTLP/gRPC", "grpc"+secure, u.Host)
	case isGRPC && u.Port() == "4318":
		return fmt.Sprintf(doubt, "4318", "OTLP/HTTP", "http"+secure, u.Host)
	}
	return ""
}

func jaegerEndpoint(_, text string) (any, error) {
	u, err := jaegerURL(text)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(u.Scheme, "grpc") {
		return verbatim(strings.TrimPrefix((&url.URL{User: u.User, Host: u.Host}).String(), "//")), nil
	}
	// OTLP's own path may be there or not: the exporter adds it (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request).
	return verbatim(strings.TrimRight(strings.TrimSuffix(strings.TrimRight(text, "/"), "/v1/traces"), "/")), nil
}

func jaegerInsecure(_, text string) (any, error) {
	u, err := jaegerURL(text)
	if err != nil {
		return nil, err
	}
	return u.Scheme == "grpc", nil
}

func elasticsearchEndpoint(_, text string) (any, error) {
	u, err := backendURL("MODTAP_ELASTICSEARCH", text, elasticsearchCure, "http", "https")
	if err != nil {
		return nil, err
	}
	if strings.Contains(u.Path, "/_") { // an API of Elasticsearch's: no index begins with _
		return nil, &Error{Key: "MODTAP_ELASTICSEARCH", Reason: fmt.Sprintf("%q has the path of an API", redact.Address(text)), Cure: elasticsearchCure}
	}
	return verbatim(text), nil
}

// backendURL checks the address of a backend. The password in it never enters an error.
func backendURL(variable, text, cure string, schemes ...string) (*url.URL, error) {
	fault := func(reason string) error { return &Error{Key: variable, Reason: reason, Cure: cure} }
	if text == "" {
		return nil, fault("not set")
	}
	if slices.Contains(turnedOff, strings.ToLower(text)) {
		cure = "leave it unset to turn it off, or " + cure
	}
	scheme, _, ok := strings.Cut(text, "://")
	if !ok || !schemeName.MatchString(scheme) {
		return nil, fault(fmt.Sprintf("%q has no scheme", redact.Address(text)))
	}
	if !slices.Contains(schemes, strings.ToLower(scheme)) {
		return nil, fault(fmt.Sprintf("%q has the unknown scheme %s", redact.Address(text), scheme))
	}
	u, err := url.Parse(text)
	if netaddr.IsList(text, u) {
		return nil, fault("is a list, but it takes one URL")
	}
	if err != nil || u.Hostname() == "" {
		if strings.Contains(text, "@") {
			cure += ", with %XX for special characters of user and password"
		}
		return nil, fault(fmt.Sprintf("%q isn't a URL", redact.Address(text)))
	}
	if err := netaddr.CheckHost(u); err != nil {
		return nil, fault(fmt.Sprintf("%q %v", redact.Address(text), err))
	}
	return u, nil
}

// turnedOff are words by which people mean that a backend isn't used.
var turnedOff = []string{"off", "none", "false", "no", "0", "disabled"}

// schemeName is what RFC 3986 section 3.1 calls a scheme.
var schemeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)
