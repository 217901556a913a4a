// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"errors"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// final reports whether no consumer that refused would take the batch later:
// every leaf of err is permanent or a full queue.
func final(err error) bool {
	if consumererror.IsPermanent(err) && !joined(err) {
		return true
	}
	switch x := err.(type) { //nolint:errorlint // the tree is walked by hand, leaf by leaf
	case interface{ Unwrap() []error }:
		for _, leaf := range x.Unwrap() {
			if !final(leaf) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		if inner := x.Unwrap(); inner != nil {
			return final(inner)
		}
	}
	return errors.Is(err, exporterhelper.ErrQueueIsFull)
}

// joined reports whether err holds several errors.
func joined(err error) bool {
	for err != nil {
		if _, ok := err.(interface{ Unwrap() []error }); ok {
			return true
		}
		err = errors.Unwrap(err)
	}
	return false
}
