// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWhatIsLost: exporters that answer at random, each called once or twice each time. What counts is that which was never taken,
// once.
func TestWhatIsLost(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 0))
		_, b := NewContext(t.Context())
		calls := []int{1, 2, 1}
		var lost [3]int
		taken := [3][2]bool{}
		for range 1 + chance.IntN(5) {
			b.Begin()
			for exporter, n := range calls {
				for call := range n {
					if chance.IntN(3) == 0 {
						taken[exporter][call] = true
						b.Answered(exporter, nil)
						continue
					}
					b.Answered(exporter, []func(){func() { lost[exporter]++ }})
				}
			}
		}
		b.GiveUp()
		b.GiveUp()
		for exporter, n := range calls {
			want := 0
			for call := range n {
				if !taken[exporter][call] {
					want++
				}
			}
			assert.Equal(t, want, lost[exporter], "seed %d", seed)
		}
	}
}

func TestNobodyHandsOver(t *testing.T) {
	b := FromContext(t.Context())
	assert.Nil(t, b)
	b.Begin()
	b.Answered("exporter", nil)
	b.GiveUp()
}
