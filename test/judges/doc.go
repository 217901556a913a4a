// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package judges lets tests that others wrote judge Modtap: the go command's own scripts, with Modtap between the go command and the
// proxy that they are written for, and h2spec before the HTTP/2 listener. What passes without Modtap passes with it, but for the
// exceptions that are written down, each with its reason.
package judges
