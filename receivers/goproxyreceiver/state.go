// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/modtap/modtap/internal/statefile"
)

// state is what a component keeps in its folder of the data directory.
type state struct {
	dir      string
	instance string // service.instance.id
	key      []byte // of the hash of client addresses
}

func stateOf(dataDir string, id component.ID) state {
	return state{dir: filepath.Join(dataDir, url.PathEscape(id.String()))}
}

// openState opens, or makes, the component's folder. Its errors name the key.
func openState(dataDir string, id component.ID) (state, error) {
	s := stateOf(dataDir, id)
	if err := statefile.Follow(s.dir); err != nil {
		return s, dirError(dataDir, err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s, dirError(dataDir, err)
	}
	instance, err := s.secret("instance.id", 8)
	if err != nil {
		return s, dirError(dataDir, err)
	}
	s.instance = hex.EncodeToString(instance)
	if s.key, err = s.secret("client.key", 32); err != nil {
		return s, dirError(dataDir, err)
	}
	return s, nil
}

// secret reads n random bytes that were drawn at the first start.
func (s state) secret(name string, n int) ([]byte, error) {
	path := filepath.Join(s.dir, name)
	file, err := statefile.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err == nil {
		if b, err := hex.DecodeString(strings.TrimSpace(string(text))); err == nil && len(b) == n {
			return b, nil
		}
	} else {
		return nil, err
	}
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails, its documentation says
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	_, err = file.WriteAt([]byte(hex.EncodeToString(b)+"\n"), 0)
	return b, err
}

func dirError(dir string, err error) error {
	return fmt.Errorf("data_dir: %s can't be written (%w); make it writable, or set MODTAP_DATA to another directory", dir, err)
}
