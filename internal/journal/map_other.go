// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package journal

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// supported is why there are no mapped files here.
var supported = fmt.Errorf("journal in memory: mapped files on %s: %w", runtime.GOOS, errors.ErrUnsupported)

func isFull(error) bool { return false }

func allocate(*os.File, int64) error { return supported }

func mapFile(*os.File, int, bool) ([]byte, error) { return nil, supported }

func unmap([]byte) error { return nil }
