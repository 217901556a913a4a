// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder answers for one file element of the list, as getFile in
// cmd/go/internal/web does: a proxy may be a folder. Unlike there it opens nothing
// but regular files below its root, wherever dot segments or links lead: which file
// is asked for comes from a request. It is no part of any [http.Transport], so no
// redirect can lead to it.
type folder struct{ root string } // The path of the element's URL.

// RoundTrip implements [http.RoundTripper]. What can't be a file of the folder is
// not found; what is there and mustn't be read is forbidden.
func (f folder) RoundTrip(req *http.Request) (*http.Response, error) {
	name, below := strings.CutPrefix(req.URL.Path, strings.TrimSuffix(f.root, "/")+"/")
	if !below || !fs.ValidPath(name) {
		return answerFile(req, http.StatusNotFound), nil
	}
	root, err := openFolder(localPath(f.root))
	if err != nil {
		return answerFault(req, err)
	}
	defer root.Close() // Files opened through it stay open.
	name = filepath.FromSlash(name)
	// Opening can have effects of its own, or wait, with what isn't a regular file.
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return answerIrregular(req, info, err)
	}
	file, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return answerFault(req, err)
	}
	info, err := file.Stat() // It may be another one by now.
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return answerIrregular(req, info, err)
	}
	resp := answerFile(req, http.StatusOK)
	resp.ContentLength = info.Size()
	if req.Method == http.MethodHead {
		return resp, file.Close()
	}
	resp.Body = fileBody{io.LimitReader(file, info.Size()), file}
	return resp, nil
}

var errNoFolder = fmt.Errorf("the element's path is no folder: %w", syscall.ENOTDIR)

// openFolder opens the folder at path, which may be there later only.
func openFolder(path string) (*os.Root, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, errNoFolder
	}
	return os.OpenRoot(path)
}

// fileBody is a file up to the size that was announced, though it may grow.
type fileBody struct {
	io.Reader
	io.Closer
}

// localPath is the path of a file URL as the system writes it.
func localPath(path string) string {
	if filepath.Separator == '\\' {
		path = strings.TrimPrefix(path, "/") // /C:/proxy
	}
	return filepath.FromSlash(path)
}

func answerFile(req *http.Request, status int) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: req,
	}
}

func answerIrregular(req *http.Request, info fs.FileInfo, err error) (*http.Response, error) {
	switch {
	case err != nil:
		return answerFault(req, err)
	case info.IsDir():
		return answerFile(req, http.StatusNotFound), nil // A folder is no file of the protocol.
	}
	return answerFile(req, http.StatusForbidden), nil
}

// answerFault answers for a file that can't be opened. The text of err has its
// path, which nobody outside is to read.
func answerFault(req *http.Request, err error) (*http.Response, error) {
	if errors.Is(err, errNoFolder) {
		return nil, err
	}
	if errors.Is(err, fs.ErrNotExist) || isNoName(err) {
		return answerFile(req, http.StatusNotFound), nil
	}
	var system syscall.Errno
	if errors.Is(err, fs.ErrPermission) || !errors.As(err, &system) { // What isn't the system's is os.Root's: an escape.
		return answerFile(req, http.StatusForbidden), nil
	}
	return nil, system
}
