// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package child

// Reap does nothing: orphans go to the system's own first process.
func Reap() (stop func()) { return func() {} }
