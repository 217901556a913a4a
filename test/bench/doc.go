// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package bench compares the price of Modtap with that of other proxies: bare [httputil.ReverseProxy], nginx and Envoy, on one
// machine, in front of one origin, in interleaved rounds of one run. It runs with
//
//	go test -run '^$' -bench Proxies -benchtime 1x -timeout 60m ./test/bench [-rounds 5] [-scale 1] [-proxies REGEXP] [-files REGEXP]
//
// and prints Markdown. Each server is a process of its own, so that its processor time is its own. What is compared is the processor
// time of a proxy's processes for each request, telemetry that is sent later included, as a ratio to ReverseProxy in the same round:
// absolute numbers belong to one machine in one hour, ratios travel.
//
// [httputil.ReverseProxy]: https://pkg.go.dev/net/http/httputil#ReverseProxy
package bench
