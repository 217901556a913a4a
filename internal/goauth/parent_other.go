// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package goauth

// parent returns what tells a process from every other.
func parent(pid int) string { return remembered(pid) }
