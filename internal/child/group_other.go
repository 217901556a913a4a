// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package child

import "os/exec"

// prepare leaves the command as it is: it alone is killed.
func prepare(*exec.Cmd) {}

func endGroup(*exec.Cmd) {}
