// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goauth

import (
	"encoding/base64"
	"os"
	"strings"

	"github.com/modtap/modtap/internal/netrc"
)

// credentials returns what the go command would take from the user's netrc file;
// nothing if GOAUTH doesn't name netrc. The go command sends what one command of
// GOAUTH said of a prefix, never two together, so what netrc has for ours has to
// be said with it.
func credentials(env func(string) string) []netrc.Entry {
	goauth := env("GOAUTH")
	if goauth == "" {
		return nil
	}
	text, err := os.ReadFile(netrc.File(goauth, env))
	if err != nil {
		return nil // the go command has none either
	}
	return netrc.Parse(string(text))
}

// authorization returns what the go command would send for URLs with this prefix.
func authorization(prefix string, known []netrc.Entry) string {
	e, ok := netrc.Find(known, strings.TrimPrefix(prefix, "https://"))
	if !ok {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(e.Login+":"+e.Password))
}
