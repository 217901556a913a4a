// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// populate has the kernel touch each page of a new segment here rather than on
// the path of a request.
const populate = unix.MAP_POPULATE

// allocate gives f its size and its place on the disk, so that no write to its
// mapping can meet a full disk. Some file systems (NFS before 4.2, ZFS) can't
// reserve: there zeros are written.
func allocate(f *os.File, size int64) error {
	for {
		switch err := unix.Fallocate(int(f.Fd()), 0, 0, size); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP):
			return writeZeros(f, size)
		default:
			return err
		}
	}
}
