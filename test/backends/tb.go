// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import "context"

// TB is what a server needs of the test that starts it: every [testing.TB] has it, and so can a program that isn't a test.
type TB interface {
	Helper()
	Name() string
	Context() context.Context
	TempDir() string
	Cleanup(f func())
	Failed() bool
	Logf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	SkipNow()
}
