// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// tool is a program that this machine has or that Debian's apt-get can install.
type tool struct {
	command string
	needs   string   // what to tell a person who lacks it
	debian  string   // the package; empty: never installed here
	check   []string // arguments with which it must succeed to count as there; empty: it only has to exist
}

var (
	goTool         = tool{command: "go", needs: "Go"}
	javaTool       = tool{command: "java", needs: "Java 17 and Maven", debian: "openjdk-17-jdk-headless"}
	javacTool      = tool{command: "javac", needs: "Java 17 and Maven", debian: "openjdk-17-jdk-headless", check: []string{"--release", "17", "--version"}}
	mavenTool      = tool{command: "mvn", needs: "Java 17 and Maven", debian: "maven"}
	pythonTool     = tool{command: "python3", needs: "Python 3 with venv", debian: "python3-venv", check: []string{"-c", "import ensurepip, venv"}}
	prometheusTool = tool{command: "prometheus", needs: "prometheus on the PATH, or root on Debian", debian: "prometheus"}
	promtoolTool   = tool{command: "promtool", needs: "promtool on the PATH, or root on Debian", debian: "prometheus"}
	// Debian names the binary by its package.
	alertmanagerTool = tool{command: "prometheus-alertmanager", needs: "prometheus-alertmanager on the PATH, or root on Debian", debian: "prometheus-alertmanager"}
	nginxTool        = tool{command: "nginx", needs: "nginx on the PATH, or root on Debian", debian: "nginx-light"}
	heyTool          = tool{command: "hey", needs: "hey on the PATH, or root on Debian", debian: "hey"}
	gitTool          = tool{command: "git", needs: "git on the PATH, or root on Debian", debian: "git"}
	straceTool       = tool{command: "strace", needs: "strace on the PATH, or root on Debian", debian: "strace"}
	systemdTool      = tool{command: "systemd-analyze", needs: "systemd-analyze on the PATH, or root on Debian", debian: "systemd"}
	curlTool         = tool{command: "curl", needs: "curl on the PATH, or root on Debian", debian: "curl"}
	jqTool           = tool{command: "jq", needs: "jq on the PATH, or root on Debian", debian: "jq"}
	opensslTool      = tool{command: "openssl", needs: "openssl on the PATH, or root on Debian", debian: "openssl"}
)

// lack is something the environment doesn't have and that a test can't bring: the one reason to skip.
type lack struct {
	needs string
}

func (l *lack) Error() string { return "needs " + l.needs }

// path finds the program, after installing it if need be. A [lack] means that it can't be had here.
func (t tool) path(ctx context.Context) (string, error) {
	if path, ok := t.find(ctx); ok {
		return path, nil
	}
	_, err := exec.LookPath("apt-get")
	if t.debian == "" || err != nil || os.Geteuid() != 0 {
		return "", &lack{needs: t.needs}
	}
	if err := aptInstall(ctx, t.debian); err != nil {
		return "", err
	}
	if path, ok := t.find(ctx); ok {
		return path, nil
	}
	return "", fmt.Errorf("%s still missing after installing %s", t.command, t.debian)
}

func (t tool) find(ctx context.Context) (string, bool) {
	path, err := exec.LookPath(t.command)
	if err != nil {
		// Debian keeps servers where only root's PATH looks.
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", t.command)); err != nil {
			return "", false
		}
	}
	if len(t.check) > 0 && exec.CommandContext(ctx, path, t.check...).Run() != nil {
		return "", false
	}
	return path, true
}

// aptInstall installs one Debian package and keeps its services from starting.
func aptInstall(ctx context.Context, debian string) (err error) {
	kept, err := userCache()
	if err != nil {
		return err
	}
	unlock, err := kept.lock(ctx, "apt")
	if err != nil {
		return err
	}
	defer unlock()
	defer watch("installing "+debian, "30 s")()
	restore, err := forbidServices("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if err := run(ctx, "/", env, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return run(ctx, "/", env, "apt-get", "install", "-qy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", debian)
}

// forbidServices writes the script that package installation asks before it starts a service (101: forbidden), unless there is one,
// and returns what takes it away again.
func forbidServices(policy string) (restore func() error, err error) {
	file, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy against service start: %w", err)
	}
	_, err = file.WriteString("#!/bin/sh\nexit 101\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(policy))
	}
	return func() error { return os.Remove(policy) }, nil
}
