// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import "fmt"

// Identity says how a client's address and name are told.
type Identity string

// The values of Identity. Empty: full on a loopback listener, else hash.
const (
	IdentityFull Identity = "full"
	IdentityHash Identity = "hash" // keyed; the same value gives the same hash
	IdentityNone Identity = "none"
)

// UnmarshalText implements [encoding.TextUnmarshaler]. It returns an error that
// lists the values there are.
func (i *Identity) UnmarshalText(text []byte) error {
	switch v := Identity(text); v {
	case "", IdentityFull, IdentityHash, IdentityNone:
		*i = v
		return nil
	}
	return fmt.Errorf("unknown value %q: write full, hash or none", text)
}
