// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tries the built binary as a user would: the real go command as
// client, real proxies behind Modtap, and real Jaeger, Prometheus and
// Elasticsearch as witnesses.
package e2e
