// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package logstashexporter sends log records to Logstash as documents, over the
// lumberjack protocol that Beats speak. A batch is taken when it is acknowledged.
package logstashexporter
