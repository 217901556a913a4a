// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// TestLabelsArePrintable (case 16): no label has a rune in it that a terminal plays.
func TestLabelsArePrintable(t *testing.T) {
	n := newNames()
	value := func(text string) string {
		attributes := pcommon.NewMap()
		attributes.PutStr("a", text)
		return n.appendLabels(nil, attributes, func(string) bool { return false })[0].value
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == '\n' || r == '\t' {
			continue
		}
		if got := value("x" + string(r)); strings.ContainsRune(got, r) || !utf8.ValidString(got) {
			t.Fatalf("%+q became %+q", r, got)
		}
	}
	assert.Equal(t, "x\uFFFD", value("x\x9b"))
	assert.Equal(t, "ünïcode", value("ünïcode"))
}
