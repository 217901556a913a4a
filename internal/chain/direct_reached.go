// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"github.com/modtap/modtap/internal/child"
	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

var (
	// traced is a line of the go command's -x: what it runs, asks and makes.
	traced = regexp.MustCompile(`(?m)^(?:# |\d+\.\d{3}s # |mkdir -p |cd /|(?:git|hg|svn|bzr|fossil) ).*\n?`)
	// remotes are the lines of -x about the folders of repositories that aren't git's
	// (cmd/go/internal/modfetch/codehost.WorkDir).
	remotes = regexp.MustCompile(`(?m)^mkdir -p .* # vcs1\.(\w+) (\S+)$`)
)

// untraced parts what a go command prints on standard error from its trace.
func untraced(stderr string) (said, trace string) {
	return strings.TrimSpace(traced.ReplaceAllString(stderr, "")), stderr
}

// reached asks a repository whether it is there, where the go command took every
// failure for an absence: of Subversion it keeps no copy, asks anew for each thing, and
// says "unknown revision" or "no matching versions" whatever svn says. It returns nil
// where the repository answers or isn't Subversion's: of the others the go command has
// made a copy first, and tells why it can't.
func (d *GoDirect) reached(ctx context.Context, r protocol.Request, trace string) error {
	for _, m := range remotes.FindAllStringSubmatch(trace, -1) {
		if m[1] != "svn" {
			continue
		}
		if _, err := child.LookPath("svn"); err != nil {
			return &directFault{word: exchange.ErrorOther, text: "fetching " + r.Module + ": there is no svn command where Modtap runs"}
		}
		cmd := child.Command(ctx, "svn", "log", "-l1", "--xml", "--", m[2])
		cmd.Env = d.environment()
		var stderr limited
		cmd.Stderr = &stderr
		err := child.Run(cmd)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			continue
		}
		// As the go command tells it of other systems.
		text := "svn log " + m[2] + ": " + err.Error() + ":\n\t" + strings.TrimSpace(stderr.String())
		if err := judgeDirect(text, r.Module, r.Version); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
