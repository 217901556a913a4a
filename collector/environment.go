// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/suggest"
)

// setDefaults gives MODTAP_DATA and MODTAP_LOG their defaults, so that every
// configuration, embedded or the user's own, may refer to them. A MODTAP_
// variable that is set but empty counts as unset: container platforms set
// those. A fault is a [*config.Error].
func setDefaults() error {
	for _, pair := range os.Environ() {
		if name, ok := strings.CutSuffix(pair, "="); ok && strings.HasPrefix(name, "MODTAP_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	data, err := dataDir()
	if err != nil {
		return &config.Error{Key: "MODTAP_DATA", Reason: err.Error(), Cure: dataCure}
	}
	if err := os.Setenv("MODTAP_DATA", data); err != nil {
		return err
	}
	if os.Getenv("MODTAP_LOG") == "" {
		return os.Setenv("MODTAP_LOG", filepath.Join(data, "requests.jsonl"))
	}
	return nil
}

func dataDir() (string, error) {
	if data := os.Getenv("MODTAP_DATA"); data != "" {
		if err := config.CheckPath(data); err != nil {
			return "", err
		}
		return filepath.Abs(data)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "modtap"), nil
}

func names() []string {
	all := make([]string, len(config.Variables))
	for i, v := range config.Variables {
		all[i] = v.Name
	}
	return all
}

// withoutEffect returns a line for each variable that is meant for Modtap and changes
// nothing: it is misspelt, or the embedded configuration that reads it isn't
// among uris. A configuration of the user's own may read it, so it is no error.
// log is MODTAP_LOG before it had its default.
func withoutEffect(uris []string, log string) []string {
	var lines []string
	own := slices.ContainsFunc(uris, func(uri string) bool { return !strings.HasPrefix(uri, "modtap:") && !strings.HasPrefix(uri, "yaml:") })
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || !strings.HasPrefix(name, "MODTAP_") && suggest.Nearest(name, names()) == "" {
			continue
		}
		variable, known := config.Lookup(name)
		fragment := variable.Fragment
		switch {
		case !known && !own:
			lines = append(lines, name+" is set, but Modtap knows no such variable; "+suggest.DidYouMean(name, names(), "correct its spelling; modtap --help lists them"))
		case known && fragment != "" && !slices.Contains(uris, fragment) && (name != "MODTAP_LOG" || log != "" && log != "off"):
			lines = append(lines, name+" is set, but "+fragment+", which reads it, isn't loaded; add --config "+fragment)
		}
	}
	if os.Getenv("MODTAP_EGRESS_LISTEN") != "" && slices.Contains(uris, "modtap:base") {
		if upstream := os.Getenv("MODTAP_UPSTREAM"); upstream == "" || upstream == "embedded" {
			lines = append(lines, "MODTAP_EGRESS_LISTEN is set, but the embedded proxy doesn't go through the egress; name the proxy beside Modtap in MODTAP_UPSTREAM")
		}
	}
	slices.Sort(lines)
	return lines
}

// fragments returns the embedded configurations that the variables ask for. A
// backend that isn't named isn't used.
func fragments() ([]string, error) {
	uris := []string{"modtap:base"}
	cert, key := os.Getenv("MODTAP_TLS_CERT"), os.Getenv("MODTAP_TLS_KEY")
	if (cert == "") != (key == "") {
		set, missing := "MODTAP_TLS_CERT", "MODTAP_TLS_KEY"
		if cert == "" {
			set, missing = missing, set
		}
		return nil, &config.Error{Key: missing, Reason: "not set, but " + set + " is", Cure: "set both or neither"}
	}
	if cert != "" {
		uris = append(uris, "modtap:tls")
	}
	if os.Getenv("MODTAP_LOG") != "off" {
		uris = append(uris, "modtap:jsonlines")
	}
	if os.Getenv("MODTAP_JAEGER") != "" {
		uris = append(uris, "modtap:jaeger")
	}
	if os.Getenv("MODTAP_ELASTICSEARCH") != "" {
		uris = append(uris, "modtap:elasticsearch")
	}
	return uris, nil
}
