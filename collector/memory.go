// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"os"
	"runtime/debug"
)

// Telemetry makes short-lived garbage on a small live heap, so the runtime's
// default collects far too often: a third of the processor time of a small
// request. softLimit bounds what is traded for it.
const (
	gcPercent = 300
	softLimit = 512 << 20
)

// tuneMemory sets how the garbage collector works, unless the user did.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}
