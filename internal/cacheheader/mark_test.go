// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cacheheader

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
)

func TestMark(t *testing.T) {
	id := exchange.SpanID{1, 2, 3, 4, 5, 6, 7, 8}
	for line, want := range map[string]exchange.SpanID{
		Mark("e", id): id,
		Mark("e", exchange.SpanID{9}) + ", " + Mark("e", id): id,
		Mark("e", id) + ", cache; hit":                       id,
		Mark("f", id):                                        {},
		"e; detail=f01020304050607":                          {},
		"e; detail=f0102030405060708ff":                      {},
		"e; detail=fzzzzzzzzzzzzzzzz":                        {},
		"":                                                   {},
	} {
		assert.Equal(t, want, Marked([]exchange.Header{{Name: "Cache-Status", Value: line}}, "e"), line)
	}
	assert.Zero(t, Marked([]exchange.Header{{Name: "X-Cache", Value: Mark("e", id)}}, "e"))
	assert.Zero(t, Marked([]exchange.Header{{Name: "Cache-Status", Value: Mark("", id)}}, ""))
	assert.Equal(t, Evidence{}, Read([]exchange.Header{{Name: "Cache-Status", Value: Mark("e", id)}}), "it says nothing of a cache")
}
