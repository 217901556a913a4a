// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	short = size{modules: 6, clients: 8, rounds: 1}
	long  = size{modules: 16, clients: 8, rounds: 2}
)

// alike is how many wrong verdicts of one kind are printed with their evidence.
const alike = 5

// tally is what all seeds gave for one subject.
type tally struct {
	results map[kind]matrix
	reasons matrix
	unknown matrix // of files whose truth is clear, by phase
	clear   int    // how many files that are
	wrong   int
}

// TestTruth judges every verdict on every proxy.
func TestTruth(t *testing.T) {
	seeds, n, strict := 1, short, false
	if text := os.Getenv("MODTAP_TRUTH"); text != "" {
		var err error
		seeds, err = strconv.Atoi(text)
		require.NoError(t, err, "MODTAP_TRUTH is a number of seeds")
		n, strict = long, true
	}
	verdicts := 0
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			sum := tally{results: map[kind]matrix{ofFile: {}, ofQuestion: {}, ofSums: {}}, reasons: matrix{}, unknown: matrix{}}
			for seed := range seeds {
				name, wrong := "seed "+strconv.Itoa(seed), 0
				t.Run(name, func(t *testing.T) { wrong = try(t, s, uint64(seed), n, &sum, strict) }) //nolint:gosec // small
				if wrong > 0 && !strict {                                                            // a busy machine may deceive once; what is wrong is so each time
					t.Run(name+" again", func(t *testing.T) { try(t, s, uint64(seed), n, &sum, true) }) //nolint:gosec // small
				}
			}
			for _, k := range []kind{ofFile, ofQuestion, ofSums} {
				if m := sum.results[k]; m.total() > 0 {
					verdicts += m.total()
					t.Logf("%s, %s: %d, unknown or absent %.2f %%\n%s", s.name, k, m.total(), 100*m.share(unknown, "absent"), m)
				}
			}
			if sum.reasons.total() > 0 {
				t.Logf("%s, reasons of misses:\n%s", s.name, sum.reasons)
			}
			if sum.unknown.total() > 0 {
				t.Logf("%s, unknown though the truth is clear: %.2f %% of %d files\n%s", s.name, 100*float64(sum.unknown.total())/float64(sum.clear), sum.clear, sum.unknown)
			}
			t.Logf("%s: %d wrong", s.name, sum.wrong)
		})
	}
	t.Logf("%d verdicts", verdicts)
}

// try plays a subject's script once and judges it. It returns how many verdicts were wrong; strict: any fails the test.
func try(t *testing.T, s subject, seed uint64, n size, sum *tally, strict bool) (wrong int) {
	w := newWorld(t, s, seed, n)
	s.script(w)
	docs := w.documents()
	c := newCourt(w)
	printed := map[string]int{}
	for _, f := range c.judge(docs) {
		sum.results[f.kind].add(f.truth, f.said())
		if f.kind == ofFile && len(f.right) == 1 && answered(f.visit) {
			sum.clear++
			if f.silent() {
				sum.unknown.add(f.truth, f.visit.phase)
			}
		}
		reason, wrongReason := c.reason(f)
		if reason != "" {
			sum.reasons.add(reason, f.saidReason())
		}
		if !f.wrong() && !wrongReason && f.truth != unexplained {
			continue
		}
		sum.wrong++
		wrong++
		if strict || f.truth == unexplained {
			t.Fail()
		}
		same := string(f.kind) + f.truth + f.said() + f.saidReason()
		if printed[same]++; printed[same] <= alike {
			t.Log(c.evidence(f))
		}
	}
	return wrong
}
