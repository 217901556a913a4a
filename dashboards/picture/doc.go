// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package picture draws a dashboard as a PNG, so that a reader sees it without a Grafana.
//
// [Draw] is a function of a dashboard, as it is decoded from its JSON, and of what its data sources answered, nothing else: it asks nobody. It tells what it drew
// ([Drawn]), so that a test can hold the picture against the answers. It knows the kinds of panels that Modtap's dashboards have and
// refuses others. Where it differs from Grafana:
//   - The y axis covers all values, also those that a panel's min or max would cut off.
//   - What doesn't fit is counted ("12 more rows"), not scrolled.
//   - The rows of a folded section are drawn if one of its panels has an answer.
package picture
