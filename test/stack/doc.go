// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package stack runs deploy/compose without a container daemon: the services of compose.yaml as processes of this machine, with the
// commands, variables, files, health checks and order that stand there.
//
// What a process needs otherwise than a container is rewritten, and nothing else: the name and port of a service become the loopback
// address where it listens, and a path in a container becomes a path in a temporary directory. The real servers come from
// test/backends. A service whose image can't be had as a process (Grafana, Kibana) is left out, and said so.
package stack
