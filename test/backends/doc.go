// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package backends starts the real servers that Modtap's tests run against: module proxies in front of it or behind it (goproxy, Athens,
// nginx, Envoy) and the backends that receive its signals (Jaeger, Prometheus, Elasticsearch, OpenSearch).
//
// A server is built or installed on first use and kept in the user's cache directory, under modtap-test, so that later runs start it
// at once; [Prepare] does that for all of them up front. Each server listens on loopback ports of its own, keeps its files in the test's
// temporary directory, and ends with the test, also when the test binary is killed (on Linux).
//
// What the environment lacks (Java, Maven, root for apt-get) skips a test with one loud line, or fails it when CI is set. Anything
// else that goes wrong, a build for example, fails the test everywhere.
package backends
