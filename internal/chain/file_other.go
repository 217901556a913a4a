// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package chain

// nonblock isn't needed where no path names a FIFO.
const nonblock = 0

func isNoName(error) bool { return false }
