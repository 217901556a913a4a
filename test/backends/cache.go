// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cache keeps built servers between runs, one directory each.
type cache struct {
	root string
}

func userCache() (cache, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return cache{}, fmt.Errorf("cache directory for the servers: %w", err)
	}
	return cache{root: filepath.Join(base, "modtap-test")}, nil
}

// dir returns the directory of one entry. An absent entry is made by build, in a directory of its own that is renamed when it is
// complete: what is there is whole. Only one process builds an entry; the others wait for it.
func (c cache) dir(ctx context.Context, name, version string, build func(dir string) error) (_ string, err error) {
	final := filepath.Join(c.root, name+"-"+version)
	if exists(final) {
		return final, nil
	}
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(final) {
		return final, nil
	}
	if err = c.sweep(name); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(c.root, name+".partial-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	if err = build(partial); err != nil {
		return "", err
	}
	return final, os.Rename(partial, final)
}

// sweep removes what a killed build left; the caller holds the lock.
func (c cache) sweep(name string) error {
	left, err := filepath.Glob(filepath.Join(c.root, name+".partial-*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// lock holds the file <name>.lock until unlock is called or the process ends.
func (c cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(c.root, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	for announced := false; ; announced = true {
		// Not the blocking form: a test that is cancelled must not hang here.
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if !announced {
			progress("%s is being prepared by another process, waiting", name)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w", file.Name(), context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// fingerprint is a short name for the content of files and for whatever else decides how a build comes out.
func fingerprint(files []string, more ...string) (string, error) {
	hash := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%d %s", len(content), content)
	}
	fmt.Fprintf(hash, "%q", more)
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// progress writes one line to standard error.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "backends: "+format+"\n", args...)
}
