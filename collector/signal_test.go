// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import "go.opentelemetry.io/collector/otelcol"

// hangup is the signal at which the collector reads its configuration again.
const hangup = otelcol.SIGHUP
