// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"errors"
	"slices"
	"syscall"
)

// deviceFaults are the errors for which no file can be stored, whatever its name.
// All others are faults of one file, or of the process.
var deviceFaults = []syscall.Errno{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, // full, or not to be written
	syscall.ENODEV, syscall.ENXIO, syscall.ESTALE, syscall.ENOTCONN, // gone: unplugged, or unmounted by its server
}

// nameFaults are the errors of a path that the file system can't have, or that
// something else stands in the way of.
var nameFaults = []syscall.Errno{
	syscall.ENAMETOOLONG, syscall.EISDIR, syscall.ENOTDIR, syscall.EEXIST, syscall.ENOTEMPTY,
	syscall.EINVAL, syscall.EILSEQ, syscall.ELOOP, syscall.EACCES, syscall.EPERM,
}

// ofDevice tells whether err says that the cache's folder takes no files at all.
func ofDevice(err error) bool {
	_, own := errors.AsType[*folderError](err)
	return own || is(err, deviceFaults) || is(err, moreDeviceFaults)
}

// ofName tells whether err is about one path only.
func ofName(err error) bool { return is(err, nameFaults) }

// folderError is a fault of a path that no request chose.
type folderError struct{ err error }

func (e *folderError) Error() string { return e.err.Error() }
func (e *folderError) Unwrap() error { return e.err }

func is(err error, faults []syscall.Errno) bool {
	number, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(faults, number)
}
