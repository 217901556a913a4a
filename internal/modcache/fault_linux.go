// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import "syscall"

// moreDeviceFaults are what ext4 and XFS say of a file system that is damaged.
var moreDeviceFaults = []syscall.Errno{syscall.EUCLEAN, syscall.EBADMSG}
