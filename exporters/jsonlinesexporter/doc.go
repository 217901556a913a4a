// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonlinesexporter writes log records as JSON documents, one a line, to
// a file that rotates by size and age, or to standard output. A document that is
// told again is written once.
package jsonlinesexporter
