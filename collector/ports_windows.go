// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

func canBind(string) error { return nil } // Two sockets can share an address there.
