// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "fmt"

// Error is a fault of the configuration that a user can cure.
type Error struct {
	// Key names what is wrong: a YAML key with "::" between its parts, or a variable.
	Key string
	// Reason says what is wrong with it, without any secret that it holds.
	Reason string
	// Cure says what to do, as an imperative.
	Cure string
}

var _ error = (*Error)(nil)

// Error returns the fault as one line: key, reason and cure.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s; %s", e.Key, e.Reason, e.Cure) }
