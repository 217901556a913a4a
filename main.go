// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command modtap is an observability sidecar for Go module proxies.
package main

import "github.com/modtap/modtap/collector"

func main() { collector.Main() }
