// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Paint is [Draw] without the file, which takes most of the time.
func Paint(d *dashboard.Dashboard, answers map[uint32][]Answer, from, to time.Time) ([]Drawn, error) {
	_, drawn, err := paint(d, answers, from, to)
	return drawn, err
}
