// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cacheheader

import (
	"encoding/hex"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
)

// Mark returns the member that the egress adds to Cache-Status: a cache that keeps
// header lines answers with that of the fetch which brought its copy. It says
// nothing but its name and, as detail, which exchange it was (RFC 9211 section 2.8).
func Mark(name string, id exchange.SpanID) string {
	return name + "; detail=f" + hex.EncodeToString(id[:])
}

// Marked returns the exchange of the egress of that name that an answer's header
// lines name, the nearest to us; zero: none.
func Marked(headers []exchange.Header, name string) (id exchange.SpanID) {
	for _, h := range headers {
		if name == "" || h.Name != "Cache-Status" {
			continue
		}
		for member := range strings.SplitSeq(h.Value, ",") {
			digits, ok := strings.CutPrefix(trim(member), name+"; detail=f")
			if raw, err := hex.DecodeString(digits); ok && err == nil && len(raw) == len(id) {
				copy(id[:], raw)
			}
		}
	}
	return id
}
