// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package journal

import "os"

const populate = 0

// allocate gives f its size and its place on the disk by writing zeros: there is
// no call for it that all systems have.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }
