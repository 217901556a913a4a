// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import "syscall"

// moreDeviceFaults are ERROR_WRITE_PROTECT, ERROR_NOT_READY, ERROR_HANDLE_DISK_FULL,
// ERROR_DISK_FULL and ERROR_IO_DEVICE.
var moreDeviceFaults = []syscall.Errno{19, 21, 39, 112, 1117}
