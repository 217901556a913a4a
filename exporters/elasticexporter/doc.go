// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package elasticexporter sends log records and spans to Elasticsearch and
// OpenSearch as documents, each under its own id, so that what is sent twice is
// there once.
package elasticexporter
