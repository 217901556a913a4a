// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// insideVariable makes the test binary the first process of a container: it holds a sandbox in JSON.
const insideVariable = "MODTAP_TEST_INSIDE"

// A sandbox is what docker run --read-only --cap-drop ALL --security-opt no-new-privileges gives a process: the image as read-only
// root, volumes to write to, a /proc and a /dev, process ids of its own, and nothing that a capability allows. The network is this
// machine's.
type sandbox struct {
	Root    string
	Volumes []string
	UID     int
	GID     int
	Env     []string
	Args    []string
	// Probe is what is tried instead of Args: to write there.
	Probe []string
}

// command is the process, not yet started.
func (s sandbox) command(tb testing.TB) *exec.Cmd {
	tb.Helper()
	if os.Geteuid() != 0 {
		lacks(tb, "root, for mounts and chroot")
	}
	text, err := json.Marshal(s)
	require.NoError(tb, err)
	self, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.Command(self)
	cmd.Env = []string{insideVariable + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// inside makes the sandbox around this process and runs its command; it returns only with an error, or when it has probed.
func inside(text string) error {
	runtime.LockOSThread()
	var s sandbox
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	if err := s.mount(); err != nil {
		return err
	}
	if err := s.confine(); err != nil {
		return err
	}
	if s.Probe != nil {
		return json.NewEncoder(os.Stdout).Encode(writable(s.Probe))
	}
	return fmt.Errorf("exec %s: %w", s.Args[0], syscall.Exec(s.Args[0], s.Args, s.Env))
}

// mount makes the root. A bind mount that is made read-only leaves those below it as they are.
func (s sandbox) mount() error {
	mount := func(source, target, kind string, flags uintptr) error {
		if err := unix.Mount(source, target, kind, flags, ""); err != nil {
			return fmt.Errorf("mount of %s: %w", target, err)
		}
		return nil
	}
	in := func(path string) string { return filepath.Join(s.Root, path) }
	faults := errors.Join(
		mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE),
		mount(s.Root, s.Root, "", unix.MS_BIND),
		mount("proc", in("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC),
		mount("tmpfs", in("dev"), "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC),
	)
	for _, device := range []string{"/dev/null", "/dev/urandom"} {
		faults = errors.Join(faults, os.WriteFile(in(device), nil, 0o666), mount(device, in(device), "", unix.MS_BIND))
	}
	for _, volume := range s.Volumes {
		faults = errors.Join(faults, mount(in(volume), in(volume), "", unix.MS_BIND))
	}
	return errors.Join(faults,
		mount("", s.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY),
		unix.Chroot(s.Root), os.Chdir("/"))
}

// confine becomes the user without a way back.
func (s sandbox) confine() error {
	var faults error
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		faults = errors.Join(faults, unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
	}
	faults = errors.Join(faults,
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		syscall.Setgroups(nil), syscall.Setgid(s.GID), syscall.Setuid(s.UID),
		// A change of the user forgets it.
		unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0))
	if s.UID == 0 {
		var none [2]unix.CapUserData
		faults = errors.Join(faults, unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]))
	}
	return faults
}

// writable tries to write to files and into directories, and returns what came of each.
func writable(paths []string) map[string]string {
	told := map[string]string{}
	for _, path := range paths {
		target := path
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			target = filepath.Join(path, "probe")
		}
		file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE, 0o600)
		told[path] = "written"
		if err != nil {
			told[path] = cause(err)
			continue
		}
		if err := file.Close(); err != nil {
			told[path] = err.Error()
		}
	}
	return told
}

func cause(err error) string {
	if fault, ok := errors.AsType[*fs.PathError](err); ok {
		return fault.Err.Error()
	}
	return err.Error()
}

// runInside runs a command to its end and returns exit code and output.
func runInside(tb testing.TB, s sandbox) (code int, stdout, stderr string) {
	tb.Helper()
	cmd := s.command(tb)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(tb, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
