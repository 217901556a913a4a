// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy tries what is in the folder deploy as far as that goes without
// a container daemon and without systemd: it does what the files say, with the
// real programs.
package deploy
