// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

// DebianPrometheus returns the executable of the Prometheus that [Prometheus] starts, for a test that brings blocks and rules of its own.
func DebianPrometheus(tb TB) Program {
	tb.Helper()
	return Program{Path: toolPath(tb, prometheusRecipe.title, prometheusTool)}
}
