// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSizeIsTheSameUnderEveryPolicy: what bounds the memory decides when windows close
// early, so it says nothing of what may be told.
func TestSizeIsTheSameUnderEveryPolicy(t *testing.T) {
	b := fullBegin()
	size := b.Size()
	b.Client = Client{}
	assert.Equal(t, size, b.Size())
	b.UserAgent += "12"
	assert.Equal(t, size+2, b.Size(), "the rest counts")
}
