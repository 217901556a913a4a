// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A value is what a variable means to a fragment.
type value struct {
	variable string
	read     func(text string) (any, error)
}

// values are named in fragments as ${modtap:NAME}. Unlike ${env:NAME} they are
// checked, and taken verbatim: "-" is no YAML list, "$" starts no reference.
var values = map[string]value{
	"elasticsearch-endpoint": {"MODTAP_ELASTICSEARCH", elasticsearchEndpoint},
	"jaeger-endpoint":        {"MODTAP_JAEGER", jaegerEndpoint},
	"jaeger-insecure":        {"MODTAP_JAEGER", jaegerInsecure},
	"log":                    {"MODTAP_LOG", verbatimOf("MODTAP_LOG", "a file, - or off")},
	"tls-cert":               {"MODTAP_TLS_CERT", fileOf("MODTAP_TLS_CERT", "the file of the certificate, in PEM")},
	"tls-key":                {"MODTAP_TLS_KEY", fileOf("MODTAP_TLS_KEY", "the file of the certificate's key, in PEM")},
}

func verbatimOf(variable, expected string) func(string) (any, error) {
	return func(text string) (any, error) {
		if text == "" {
			return nil, &Error{Key: variable, Reason: "not set", Cure: "set it to " + expected}
		}
		return verbatim(text), nil
	}
}

// fileOf is verbatimOf a file that must be readable.
func fileOf(variable, expected string) func(string) (any, error) {
	read := verbatimOf(variable, expected)
	return func(text string) (any, error) {
		value, err := read(text)
		if err != nil {
			return nil, err
		}
		file, err := os.Open(text)
		if err != nil {
			return nil, &Error{Key: variable, Reason: err.Error(), Cure: "set it to " + expected}
		}
		return value, file.Close()
	}
}

// verbatim keeps confmap from taking a dollar sign for a reference.
func verbatim(text string) string { return strings.ReplaceAll(text, "$", "$$") }

const (
	jaegerCure        = "write http://HOST:4318 (OTLP/HTTP) or grpc://HOST:4317 (OTLP/gRPC), with https or grpcs for TLS"
	elasticsearchCure = "write http://HOST:9200 or https://HOST:9200"
)

func jaegerFile() (string, error) {
	u, err := jaegerURL(os.Getenv("MODTAP_JAEGER"))
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(u.Scheme, "grpc") {
		return "jaeger-grpc.yaml", nil
	}
	return "jaeger.yaml", nil
}

func jaegerURL(text string) (*url.URL, error) {
	u, err := backendURL("MODTAP_JAEGER", text, jaegerCure, "http", "https", "grpc", "grpcs")
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(u.Scheme, "grpc") && (u.Port() == "" || strings.Trim(u.Path, "/") != "") {
		return nil, &Error{Key: "MODTAP_JAEGER", Reason: fmt.Sprintf("%q isn't grpc://HOST:PORT", Redact(text)), Cure: jaegerCure}
	}
	return u, nil
}

func jaegerEndpoint(text string) (any, error) {
	u, err := jaegerURL(text)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(u.Scheme, "grpc") {
		return u.Host, nil
	}
	return verbatim(strings.TrimRight(text, "/")), nil
}

func jaegerInsecure(text string) (any, error) {
	u, err := jaegerURL(text)
	if err != nil {
		return nil, err
	}
	return u.Scheme == "grpc", nil
}

func elasticsearchEndpoint(text string) (any, error) {
	if _, err := backendURL("MODTAP_ELASTICSEARCH", text, elasticsearchCure, "http", "https"); err != nil {
		return nil, err
	}
	return verbatim(text), nil
}

// backendURL checks the address of a backend. The password in it never enters an error.
func backendURL(variable, text, cure string, schemes ...string) (*url.URL, error) {
	fault := func(reason string) error { return &Error{Key: variable, Reason: reason, Cure: cure} }
	if text == "" {
		return nil, fault("not set")
	}
	scheme, _, ok := strings.Cut(text, "://")
	if !ok || !schemeName.MatchString(scheme) {
		return nil, fault(fmt.Sprintf("%q has no scheme", Redact(text)))
	}
	if !slices.Contains(schemes, strings.ToLower(scheme)) {
		return nil, fault(fmt.Sprintf("%q has the unknown scheme %s", Redact(text), scheme))
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		if strings.Contains(text, "@") {
			cure += ", with %XX for special characters of user and password"
		}
		return nil, fault(fmt.Sprintf("%q isn't a URL", Redact(text)))
	}
	return u, nil
}

// schemeName is what RFC 3986 section 3.1 calls a scheme.
var schemeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// Redact returns an address without user, password and query. It also serves
// for what is no URL at all: nothing before the last "@" is kept but a scheme.
func Redact(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if ok && schemeName.MatchString(scheme) {
		scheme += "://"
	} else {
		scheme, rest = "", address
	}
	rest = rest[strings.LastIndex(rest, "@")+1:]
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + rest
}
