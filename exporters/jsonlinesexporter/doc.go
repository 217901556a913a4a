// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package jsonlinesexporter writes log records as JSON documents, one a line, to
// a file that rotates by size or to standard output.
package jsonlinesexporter
