// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !windows

package modcache

import "syscall"

var moreDeviceFaults []syscall.Errno
