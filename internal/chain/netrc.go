// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/netrc"
)

// netrcFile is a netrc file, read again when it has changed.
type netrcFile struct {
	path string // Empty: none.

	mu       sync.Mutex
	changed  time.Time
	size     int64
	machines []netrc.Entry
}

// load reads the file if it isn't the one that was read before. A file that
// isn't there holds nothing.
func (n *netrcFile) load() ([]netrc.Entry, error) {
	if n.path == "" {
		return nil, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	info, err := os.Stat(n.path)
	if err == nil && info.Size() == n.size && info.ModTime().Equal(n.changed) {
		return n.machines, nil
	}
	n.machines, n.changed, n.size = nil, time.Time{}, 0
	var text []byte
	if err == nil {
		text, err = os.ReadFile(n.path)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	n.machines, n.changed, n.size = netrc.Parse(string(text)), info.ModTime(), info.Size()
	return n.machines, nil
}

// authorize adds the credentials for req's URL. Over plain HTTP they are sent to
// this machine only.
func (n *netrcFile) authorize(req *http.Request) {
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !netaddr.IsLoopback(req.URL.Hostname())) {
		return
	}
	machines, err := n.load()
	if err != nil || len(machines) == 0 || req.Header.Get("Authorization") != "" {
		return
	}
	if e, ok := netrc.Find(machines, req.URL.Host+req.URL.EscapedPath()); ok {
		req.SetBasicAuth(e.Login, e.Password)
	}
}
