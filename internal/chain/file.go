// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// fileTransport answers file URLs as getFile in cmd/go/internal/web does: a
// proxy may be a folder.
type fileTransport struct{}

// RoundTrip implements [http.RoundTripper].
func (fileTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Request: req,
	}
	answer := func(status int) (*http.Response, error) {
		resp.StatusCode, resp.Status = status, http.StatusText(status)
		return resp, nil
	}
	path := req.URL.Path
	if filepath.Separator == '\\' {
		path = strings.TrimPrefix(path, "/") // /C:/proxy
	}
	f, err := os.Open(filepath.FromSlash(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return answer(http.StatusNotFound)
	case errors.Is(err, fs.ErrPermission):
		return answer(http.StatusForbidden)
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return answerClosed(f, err, answer)
	}
	resp.ContentLength = info.Size()
	resp.Body = f
	if req.Method == http.MethodHead {
		_ = f.Close()
		resp.Body = http.NoBody
	}
	return answer(http.StatusOK)
}

func answerClosed(f io.Closer, err error, answer func(int) (*http.Response, error)) (*http.Response, error) {
	_ = f.Close()
	if err != nil {
		return nil, err
	}
	return answer(http.StatusNotFound) // A folder is no file of the protocol.
}
