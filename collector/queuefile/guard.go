// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package queuefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	brokenInfix   = ".broken-"
	salvageSuffix = ".salvaged"
	// keepBroken is how many broken files are kept of each queue.
	keepBroken = 2
	// maxWait is how long a child may take. A check of a sound file takes a fraction of a second.
	maxWait = 30 * time.Second
)

// A Finding is a queue file that wasn't as it should be.
type Finding struct {
	// File is the path of the queue file.
	File string
	// Reason is why it was moved aside; "" if it is in use.
	Reason string
	// Aside is where it was moved.
	Aside string
	Salvaged
}

// String returns the line for people.
func (f Finding) String() string {
	if f.Reason == "" {
		return fmt.Sprintf("queue file %s: %d requests that were under way when Modtap was killed are lost", f.File, f.LostRequests)
	}
	lost := fmt.Sprintf("%d items in %d requests are lost", f.LostItems, f.LostRequests)
	if f.Unknown {
		lost = "how much else was in it isn't known"
	}
	return fmt.Sprintf("queue file %s was broken (%s) and is now %s: %d items in %d requests were read and will be sent, %s",
		f.File, f.Reason, f.Aside, f.Items, f.Requests, lost)
}

// A ForbiddenError is a queue file that Modtap may not read.
type ForbiddenError struct{ Reason string }

func (e *ForbiddenError) Error() string { return e.Reason }

// Guard checks each queue file in a directory with a child process of its own, all at the same time, and puts a fresh file in the place
// of each broken one. binary is the modtap binary. What is wrong with a file is a finding and never an error, except for a
// [*ForbiddenError]: there the data are sound, and only their owner can give access. A directory that doesn't exist has no files.
func Guard(ctx context.Context, binary, dir string) ([]Finding, error) {
	names, err := queues(dir)
	if err != nil {
		return nil, err
	}
	findings, faults := make([]*Finding, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { findings[i], faults[i] = guard(ctx, binary, filepath.Join(dir, name)) })
	}
	all.Wait()
	var told []Finding
	for _, f := range findings {
		if f != nil {
			told = append(told, *f)
		}
	}
	return told, errors.Join(faults...)
}

// queues returns the names of the queue files, after finishing what an earlier guard was killed amid.
func queues(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, &ForbiddenError{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	var found []string
	for _, name := range names {
		queue, salvaged := strings.CutSuffix(name, salvageSuffix)
		switch {
		case salvaged && slices.Contains(names, queue):
			// It may be half written, and what it was made from is there still.
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		case salvaged:
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, queue)); err != nil {
				return nil, err
			}
			found = append(found, queue)
		case strings.HasSuffix(name, noteSuffix), strings.Contains(name, brokenInfix),
			strings.HasSuffix(name, ".backup"), strings.HasPrefix(name, "tempdb"): // filestorage's
		default:
			found = append(found, name)
		}
	}
	return found, nil
}

func guard(ctx context.Context, binary, path string) (*Finding, error) {
	var v Verdict
	if err := child(ctx, &v, binary, Command, doCheck, path); err != nil {
		if !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("check of the queue file %s: %w", path, err)
		}
		v.Broken = err.Error()
	}
	switch {
	case v.Forbidden != "":
		return nil, &ForbiddenError{v.Forbidden}
	case v.Broken == "" && v.LostRequests == 0:
		return nil, nil //nolint:nilnil // there is nothing to tell
	case v.Broken == "":
		return &Finding{File: path, Salvaged: Salvaged{LostRequests: v.LostRequests}}, nil
	}
	found := &Finding{File: path, Reason: v.Broken, Aside: path + brokenInfix + time.Now().UTC().Format("20060102T150405.000Z")}
	fresh := path + salvageSuffix
	if err := child(ctx, &found.Salvaged, binary, Command, doSalvage, path, fresh); err != nil {
		found.Reason += "; it can't be read: " + err.Error()
		found.Salvaged = lostWhole(path)
		if err := os.RemoveAll(fresh); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(path, found.Aside); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// The note is the old file's: its indices mean nothing in the fresh one.
	if err := os.Rename(path+noteSuffix, found.Aside+noteSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return found, forget(path)
}

// lostWhole counts a file of which nothing could be read.
func lostWhole(path string) Salvaged {
	state := lastNote(path)
	if state == nil {
		return Salvaged{Unknown: true}
	}
	return Salvaged{LostRequests: state.requests(), LostItems: int(state.items)}
}

// forget removes the oldest broken files of a queue.
func forget(path string) error {
	aside, err := filepath.Glob(path + brokenInfix + "*Z")
	if err != nil {
		return err
	}
	slices.Sort(aside)
	for ; len(aside) > keepBroken; aside = aside[1:] {
		if err := errors.Join(os.RemoveAll(aside[0]), os.RemoveAll(aside[0]+noteSuffix)); err != nil {
			return err
		}
	}
	return nil
}

// child runs the binary and decodes what it prints. A child that crashes is an [*exec.ExitError] with the first line that it said.
func child(ctx context.Context, result any, binary string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.WaitDelay = time.Second
	// A crash prints a line for each goroutine: only the first line is of use.
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return errors.Join(ctx.Err(), fmt.Errorf("%w: %s", err, line))
	}
	return json.Unmarshal(out.Bytes(), result)
}
