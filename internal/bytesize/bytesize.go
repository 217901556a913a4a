// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package bytesize is the type of every setting that is a number of bytes.
package bytesize

import (
	"encoding"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. A configuration writes it as a plain number or with a
// unit: 500MB (10^6), 1GiB or 1Gi (2^30), in any case, with or without a space.
type Size int64

var _ encoding.TextUnmarshaler = (*Size)(nil)

// UnmarshalText reads a size; it isn't called for what YAML has as a number.
func (s *Size) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if n, err := strconv.ParseInt(written, 10, 64); err == nil { // exact, where the other way goes through a float
		*s = Size(n)
		return nil
	}
	n, err := humanize.ParseBytes(written)
	if err != nil || n > math.MaxInt64 || strings.Contains(written, ",") {
		return fmt.Errorf("%q is no size; write for example 10GiB, 500MB or a number of bytes", written)
	}
	*s = Size(n)
	return nil
}
