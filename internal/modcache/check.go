// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package modcache

import (
	"fmt"
	"path/filepath"

	"github.com/modtap/modtap/internal/statefile"
)

// Check returns the error with which [Open] would fail since nothing can be made in dir,
// and changes nothing.
func Check(dir string) error {
	err := statefile.CanMake(dir)
	if err == nil {
		err = statefile.CanMake(filepath.Join(dir, drafts))
	}
	if err != nil {
		return fmt.Errorf("cache directory: %w", err)
	}
	return nil
}
