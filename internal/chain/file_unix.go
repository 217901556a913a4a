// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package chain

import (
	"errors"
	"syscall"
)

// nonblock has a FIFO that took a file's place opened at once.
const nonblock = syscall.O_NONBLOCK

// isNoName tells whether no file can have the name that err is about.
func isNoName(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}
