// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !aix && !solaris

package collector

import (
	"errors"
	"os"
	"syscall"
)

func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
