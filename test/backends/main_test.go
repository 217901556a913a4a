// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// orphanVariable turns this test binary into one that starts a process, logs to the directory named, and is then killed.
const orphanVariable = "MODTAP_TEST_ORPHAN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanVariable); dir != "" {
		p, err := spawn(command{path: "sleep", args: []string{"60"}, log: filepath.Join(dir, "log")})
		if err != nil {
			panic(err)
		}
		fmt.Println(p.pid)
		time.Sleep(time.Minute)
		return
	}
	goleak.VerifyTestMain(m)
}
