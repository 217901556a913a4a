// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package reference renders what is written from the table of attributes: the index
// template of Elasticsearch and the page docs/telemetry.md.
package reference

//go:generate go run github.com/modtap/modtap/internal/reference/generate
