// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"os"
	"testing"

	"github.com/modtap/modtap/test/built"
)

// binary is the modtap that the tests break, built as the README says.
var binary string

// full tells the long form of each fault; the short one is part of make test.
var full = os.Getenv("MODTAP_FAULTS") == "full"

// scale chooses between the short form of a fault and the full one.
func scale[T any](short, long T) T {
	if full {
		return long
	}
	return short
}

func TestMain(m *testing.M) { os.Exit(built.Run(m, &binary)) }
