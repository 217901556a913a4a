// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Command peer is what a benchmark needs beside the proxies, each as a process of its own: an origin, a bare reverse proxy, and a
// sink for spans. It prints the address that it listens on and ends when its input does.
//
//	peer origin
//	peer reverseproxy http://127.0.0.1:1234
//	peer sink
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	serve, err := role(args)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the one that started this process is gone
		_ = listener.Close()
	}()
	if err := serve(listener); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func role(args []string) (func(net.Listener) error, error) {
	switch {
	case len(args) == 1 && args[0] == "origin":
		o, err := newOrigin()
		return o.serve, err
	case len(args) == 2 && args[0] == "reverseproxy":
		proxy, err := newReverseProxy(args[1])
		return (&http.Server{Handler: proxy}).Serve, err //nolint:gosec // a benchmark's client is no slow loris
	case len(args) == 1 && args[0] == "sink":
		return newSinkServer(new(sink)).Serve, nil
	}
	return nil, errors.New("usage: peer origin | peer reverseproxy URL | peer sink")
}
