// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/collector/component"

	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/statefile"
)

// The files of a component's folder that aren't the engine's.
const (
	idFile     = "instance.id"
	keyFile    = "client.key"
	journalDir = "journal"
)

// folder is what a component keeps in its folder of the data directory.
type folder struct {
	dir string
	id  string // service.instance.id
	key []byte // of the hash of client addresses
}

// Folder returns the folder that a component of this configuration has.
func (c *Config) Folder(id component.ID) string {
	return filepath.Join(c.DataDir, url.PathEscape(id.String()))
}

// openFolder opens, or makes, the component's folder. Its errors name the key.
func (c *Config) openFolder(id component.ID) (folder, error) {
	f := folder{dir: c.Folder(id)}
	if err := statefile.Follow(f.dir); err != nil {
		return f, c.dirError(err)
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return f, c.dirError(err)
	}
	instance, err := secret(f.dir, idFile, 8)
	if err != nil {
		return f, c.dirError(err)
	}
	f.id = hex.EncodeToString(instance)
	if f.key, err = secret(f.dir, keyFile, 32); err != nil {
		return f, c.dirError(err)
	}
	return f, nil
}

// secret reads n random bytes that were drawn at the first start.
func secret(dir, name string, n int) ([]byte, error) {
	file, err := statefile.Open(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	if b, err := hex.DecodeString(strings.TrimSpace(string(text))); err == nil && len(b) == n {
		return b, nil
	}
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails, its documentation says
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	_, err = file.WriteAt([]byte(hex.EncodeToString(b)+"\n"), 0)
	return b, err
}

// CheckStart returns the error with which the folder of a component couldn't be opened,
// as far as that can be known without making a file.
func (c *Config) CheckStart(_ context.Context, id component.ID) error {
	if err := canOpen(c.Folder(id)); err != nil {
		return c.dirError(err)
	}
	return nil
}

func canOpen(dir string) error {
	if err := statefile.Follow(dir); err != nil {
		return err
	}
	if err := statefile.CanMake(dir); err != nil {
		return err
	}
	for _, name := range []string{idFile, keyFile} {
		if err := statefile.CanOpen(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return journal.Check(filepath.Join(dir, journalDir))
}

func (c *Config) dirError(err error) error {
	return fmt.Errorf("data_dir: %s can't be written (%w); make it writable, or set MODTAP_DATA to another directory", c.DataDir, err)
}
