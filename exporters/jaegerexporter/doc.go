// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package jaegerexporter sends spans to a Jaeger that is older than OTLP: as
// Jaeger's own thrift, over HTTP to its collector or over UDP to its agent.
package jaegerexporter
