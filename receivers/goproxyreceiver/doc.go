// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package goproxyreceiver stands in the traffic of a Go module proxy: it
// answers on the ingress, from its embedded caching proxy or from the proxy
// beside it, and tells every exchange as traces, metrics and logs.
package goproxyreceiver
