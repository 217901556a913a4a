// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package duration refuses configured durations that nobody means.
package duration

import (
	"errors"
	"fmt"
	"time"
)

// Key is a configured duration, under the key by which its user knows it.
type Key struct {
	Name  string
	Value time.Duration
}

// Check returns an error for a duration that is negative, or so short that its unit was
// forgotten: a number without one is nanoseconds. Zero is fine.
func Check(d time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("%s is negative", d)
	case d > 0 && d < time.Millisecond:
		return fmt.Errorf("%s is shorter than 1ms; write a unit, for example %ds", d, int64(d))
	}
	return nil
}

// CheckAll returns the faults that [Check] finds, each after its key; nil: none.
func CheckAll(keys ...Key) error { return each(Check, keys) }

// RequireAll is [CheckAll] for times without which nothing works: zero is a fault too.
// Its text names example as one to write.
func RequireAll(example string, keys ...Key) error {
	return each(func(d time.Duration) error {
		if d <= 0 {
			return fmt.Errorf("%s is no time to wait; write for example %s", d, example)
		}
		return Check(d)
	}, keys)
}

func each(check func(time.Duration) error, keys []Key) error {
	var errs []error
	for _, k := range keys {
		if err := check(k.Value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k.Name, err))
		}
	}
	return errors.Join(errs...)
}
