// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"context"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/redact"
)

// A userinfoTaker is a confmap.Converter: user and password leave the endpoints of
// upstream's exporters, which quote them in their errors, and become a header, which
// they treat as a secret. Our own exporters do the same by themselves.
type userinfoTaker struct{}

var _ confmap.Converter = userinfoTaker{}

// endpointKey names the keys at which upstream's parts take the address of a backend.
var endpointKey = regexp.MustCompile(`^(exporters::otlp(_?http|_grpc)?(/[^:]+)?)::((traces|metrics|logs|profiles)_)?endpoint$`)

// Convert returns a [*config.Error] for an endpoint whose userinfo can't be told
// from its host, or that has some where there is an Authorization header too.
func (userinfoTaker) Convert(_ context.Context, conf *confmap.Conf) error {
	given := map[string]string{} // Authorization by exporter.
	for _, key := range slices.Sorted(slices.Values(conf.AllKeys())) {
		text, ok := conf.Get(key).(string)
		parts := endpointKey.FindStringSubmatch(key)
		if !ok || !strings.Contains(text, "@") || parts == nil {
			continue
		}
		exporter := parts[1]
		fault := func(reason, cure string) error {
			if variable := config.Origin(key, text); variable != "" {
				key += " (" + variable + ")"
			}
			return &config.Error{Key: key, Reason: reason, Cure: cure}
		}
		bare, authorization, ok := takeUser(text)
		switch {
		case !ok:
			return fault(`"`+redact.Placeholder+`" can't be read`, "write special characters of user and password as %XX")
		case authorization == "":
			continue
		case given[exporter] == "" && hasAuthorization(conf, exporter), given[exporter] != "" && given[exporter] != authorization:
			return fault("a user besides another authorization", "leave one of them out")
		}
		given[exporter] = authorization
		if err := merge(conf, key, bare); err != nil {
			return err
		}
		if err := addHeader(conf, exporter, authorization); err != nil {
			return err
		}
	}
	return nil
}

// takeUser returns an endpoint, a URL or host:port, without its userinfo, and that
// as the value of an Authorization header (RFC 7617); "" if there is none.
func takeUser(endpoint string) (bare, authorization string, ok bool) {
	scheme := ""
	if !strings.Contains(endpoint, "://") {
		scheme = "grpc://" // Whose endpoints are written without.
	}
	u, err := url.Parse(scheme + endpoint)
	if err != nil || redact.Address(scheme+endpoint) == redact.Placeholder {
		return "", "", false
	}
	if u.User == nil {
		return endpoint, "", true
	}
	password, _ := u.User.Password()
	authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	u.User = nil
	return strings.TrimPrefix(u.String(), scheme), authorization, true
}

// hasAuthorization tells whether an exporter is given credentials in another way.
func hasAuthorization(conf *confmap.Conf, exporter string) bool {
	if conf.IsSet(exporter + "::auth") {
		return true
	}
	switch headers := conf.Get(exporter + "::headers").(type) {
	case map[string]any:
		for name := range headers {
			if strings.EqualFold(name, "authorization") {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(headers, func(h any) bool {
			pair, _ := h.(map[string]any)
			name, _ := pair["name"].(string)
			return strings.EqualFold(name, "authorization")
		})
	}
	return false
}

func addHeader(conf *confmap.Conf, exporter, authorization string) error {
	if list, ok := conf.Get(exporter + "::headers").([]any); ok {
		return merge(conf, exporter+"::headers", append(slices.Clone(list), map[string]any{"name": "Authorization", "value": authorization}))
	}
	return merge(conf, exporter+"::headers::Authorization", authorization)
}

// merge sets the value of a key.
func merge(conf *confmap.Conf, key string, value any) error {
	for _, part := range slices.Backward(strings.Split(key, confmap.KeyDelimiter)) {
		value = map[string]any{part: value}
	}
	return conf.Merge(confmap.NewFromStringMap(value.(map[string]any)))
}
