// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/statefile"
)

// errLocked is returned by lockFile if another process holds the lock.
var errLocked = errors.New("locked by another process")

const dataCure = "set MODTAP_DATA to a directory that Modtap may write"

// lockData creates the data directory, for its owner only, or makes it so with a
// warning, and locks it until
// the returned file is closed or the process ends, however it ends. The lock
// file holds the process id of its owner and stays behind: to remove it would
// race with the next start. A fault is a [*config.Error].
func lockData(dir string, warnings io.Writer) (io.Closer, error) {
	fault := func(err error) error {
		return &config.Error{Key: "MODTAP_DATA", Reason: err.Error(), Cure: dataCure}
	}
	tightened, err := statefile.Private(dir)
	if err != nil {
		return nil, fault(err)
	}
	if tightened {
		fmt.Fprintf(warnings, "modtap: warning: %s was open to other users; its mode is 0700 now\n", dir)
	}
	file, err := statefile.Open(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fault(err)
	}
	if err := lockFile(file); err != nil {
		defer file.Close()
		if !errors.Is(err, errLocked) {
			return nil, fault(fmt.Errorf("lock %s: %w", file.Name(), err))
		}
		return nil, &config.Error{
			Key:    "MODTAP_DATA",
			Reason: fmt.Sprintf("%s is in use by another modtap%s", dir, owner(file)),
			Cure:   "stop it or set MODTAP_DATA to another directory",
		}
	}
	if err := writeOwner(file); err != nil {
		return nil, errors.Join(fault(err), file.Close())
	}
	return file, nil
}

func writeOwner(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// owner names the process in the lock file, or nothing where it can't be read.
func owner(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
