// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"math/rand/v2"
	"time"
)

// kill ends Modtap at random instants with SIGKILL and starts it again.
func kill(r *run) {
	time.Sleep(time.Second)
	for range scale(3, 30) {
		time.Sleep(time.Duration(rand.Int64N(int64(3 * time.Second))))
		at := time.Now()
		r.modtap.kill()
		r.restart(at)
	}
	time.Sleep(time.Second)
}

// sigterm stops Modtap as a service manager does, and starts it again.
func sigterm(r *run) {
	for range scale(1, 5) {
		time.Sleep(2 * time.Second)
		at := time.Now()
		r.modtap.terminate()
		r.restart(at)
	}
	time.Sleep(2 * time.Second)
}

// sigstop halts Modtap; clients wait.
func sigstop(r *run) {
	time.Sleep(2 * time.Second)
	r.paused = true
	r.modtap.pause()
	time.Sleep(scale(3*time.Second, 30*time.Second))
	r.modtap.resume()
	time.Sleep(3 * time.Second)
}
