// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package healthextension tells over HTTP whether Modtap serves, and whether something behind it is broken.
//
// It knows what components report of themselves ([componentstatus.Watcher]). See README.md for the three paths.
package healthextension
