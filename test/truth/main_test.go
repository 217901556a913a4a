// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"os"
	"testing"

	"github.com/modtap/modtap/test/built"
)

// binary is the modtap that is judged, built as the README says.
var binary string

func TestMain(m *testing.M) { os.Exit(built.Run(m, &binary)) }
