// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package statefile

func pseudo(string) error { return nil }
