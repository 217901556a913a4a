// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package truth judges Modtap's cache verdicts by means that aren't Modtap's: recording taps stand on both sides of a real proxy and of
// Modtap, and look at the proxy's own disk when a request reaches it; nginx adds what it logs of itself. From these alone each request gets
// its truth, which is compared with the document that Modtap wrote about it. No code is shared with Modtap's capture or verdicts.
//
// The package has tests only. [MODTAP_TRUTH] is the number of seeds of the long form; unset, one small seed is run.
package truth
