// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command prepare builds or installs the real servers that the tests run against, all of them or those named as arguments, so that
// no test has to wait for it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/modtap/modtap/test/backends"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := backends.Prepare(ctx, os.Args[1:]...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
