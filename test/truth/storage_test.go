// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"crypto/md5" //nolint:gosec // nginx names its files so
	"encoding/hex"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/module"
)

// look is whether a proxy's disk holds the file that is asked for, and when that came there.
type look struct {
	present bool
	changed time.Time
}

func lookAt(name string) look {
	info, err := os.Stat(name)
	if err != nil || info.IsDir() {
		return look{}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return look{present: true}
	}
	return look{present: true, changed: time.Unix(stat.Ctim.Unix())}
}

// storage says which file of a proxy's disk answers a request; "": none.
type storage func(dir string, r *http.Request) string

// athensFile is Athens' disk storage: module/version/{version.info,go.mod,source.zip}.
func athensFile(dir string, r *http.Request) string {
	before, file, ok := strings.Cut(r.URL.Path, "/@v/")
	ext := path.Ext(file)
	mod, err := module.UnescapePath(strings.TrimPrefix(before, "/"))
	version, verr := module.UnescapeVersion(strings.TrimSuffix(file, ext))
	if !ok || err != nil || verr != nil {
		return ""
	}
	switch ext {
	case ".info":
		return filepath.Join(dir, mod, version, version+".info")
	case ".mod":
		return filepath.Join(dir, mod, version, "go.mod")
	case ".zip":
		return filepath.Join(dir, mod, version, "source.zip")
	}
	return ""
}

// pathFile is the storage of goproxy and of the embedded proxy: the path of the request.
func pathFile(dir string, r *http.Request) string {
	return filepath.Join(dir, filepath.FromSlash(path.Clean("/"+r.URL.Path)))
}

// nginxFile is nginx's cache with levels=1:2, with the request's target as key.
func nginxFile(dir string, r *http.Request) string {
	sum := md5.Sum([]byte(r.URL.RequestURI())) //nolint:gosec // nginx names its files so
	name := hex.EncodeToString(sum[:])
	return filepath.Join(dir, "cache", name[31:], name[29:31], name)
}
