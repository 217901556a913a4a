// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package statefile

import "os"

const noFollow = 0 // Links need a privilege to be made there.

func owned(os.FileInfo) bool { return true }

func ofRoot(os.FileInfo) bool { return false }
