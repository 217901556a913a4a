// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	protocol "github.com/modtap/modtap/internal/goproxy"
)

// check refuses a file that the go command would refuse, before it gets into the
// cache: nobody would ever fetch it again. It hangs on no checksum database. It
// returns the hash by which go.sum knows a .mod or .zip.
func check(ctx context.Context, d *draft, m module.Version) (h1 string, err error) {
	switch path.Ext(d.Name()) {
	case ".mod":
		free, err := holdDraft(ctx, d)
		if err != nil {
			return "", err
		}
		defer free()
		content, err := readDraft(d)
		if err != nil {
			return "", err
		}
		if h1, err = checkMod(content); err != nil {
			return "", badResponse("bad response for %s: %v", d.Name(), err)
		}
	case ".zip":
		if h1, err = checkZip(d.Path(), m, d.ahead.end()); err != nil {
			return "", badResponse("bad response for %s: %v", d.Name(), err)
		}
	}
	return h1, nil
}

// checkMod does what rawGoModSummary in cmd/go/internal/modload does with the
// go.mod of a dependency, whose path may be another's: a fork that replaces it.
func checkMod(content []byte) (h1 string, err error) {
	f, err := modfile.ParseLax("go.mod", content, nil)
	switch {
	case err != nil:
		return "", err
	case f.Module == nil:
		return "", errors.New("no go.mod file: it has no module directive")
	}
	return hashMod(content)
}

// checkInfo does what proxyRepo.Stat in cmd/go/internal/modfetch does: for a
// version the answer must be that version.
func checkInfo(content []byte, req protocol.Request) error {
	var info struct {
		Version string
		Time    time.Time
	}
	if err := json.Unmarshal(content, &info); err != nil {
		return badResponse("invalid response: %v", err)
	}
	if req.Operation == protocol.Info && info.Version != req.Version {
		return badResponse("invalid response: info for version %q instead of %s", info.Version, req.Version)
	}
	if !semver.IsValid(info.Version) {
		return badResponse("invalid response: version %q", info.Version)
	}
	return nil
}

// checkList refuses what is plainly something else than a list, such as a sign-in
// page: it would take the place of a good one. Lines are read as
// proxyRepo.Versions in cmd/go/internal/modfetch reads them.
func checkList(content []byte) error {
	content = bytes.TrimSpace(content)
	if len(content) == 0 {
		return nil // The module has no versions.
	}
	if content[0] != '<' {
		for line := range bytes.Lines(content) {
			if f := strings.Fields(string(line)); len(f) > 0 && semver.IsValid(f[0]) {
				return nil
			}
		}
	}
	return badResponse("invalid response: no list of versions, but %.40q", content)
}
