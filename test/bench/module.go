// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Module is a module version that the origin serves. All its files are the same in each process that asks for them.
type Module struct {
	Path    string
	Version string
	ZipSize int // of the .zip, in bytes
}

// The modules that the origin has.
var (
	Small = Module{Path: "github.com/pkg/errors", Version: "v0.9.1", ZipSize: 100 << 10}
	Large = Module{Path: "github.com/aws/aws-sdk-go", Version: "v1.55.5", ZipSize: 10 << 20}
)

// File returns the path of a file below the origin's URL and its content. kind is info, mod or zip.
func (m Module) File(kind string) (path string, content []byte, err error) {
	switch kind {
	case "info":
		content = m.info()
	case "mod":
		content = m.mod()
	case "zip":
		content, err = m.zip()
	default:
		err = fmt.Errorf("no file of a module version: %q", kind)
	}
	return fmt.Sprintf("/%s/@v/%s.%s", m.Path, m.Version, kind), content, err
}

func (m Module) info() []byte {
	return fmt.Appendf(nil, `{"Version":%q,"Time":"2020-01-14T19:47:44Z","Origin":{"VCS":"git","URL":"https://%s","Hash":"614d223910a179a466c1767a985424175c39b465"}}`,
		m.Version, m.Path)
}

func (m Module) mod() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s\n\ngo 1.21\n\nrequire (\n", m.Path)
	for i := range 36 {
		fmt.Fprintf(&b, "\texample.com/dependency/number%02d v1.%d.0\n", i, i)
	}
	b.WriteString(")\n")
	return []byte(b.String())
}

// zip returns a module zip of exactly ZipSize bytes. Its content can't be compressed, as that of most zips on the wire.
func (m Module) zip() ([]byte, error) {
	empty, err := m.pack(nil)
	if err != nil {
		return nil, err
	}
	content := make([]byte, m.ZipSize-len(empty))
	_, _ = rand.NewChaCha8([32]byte{}).Read(content) // it never fails, its documentation says
	return m.pack(content)
}

func (m Module) pack(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: m.Path + "@" + m.Version + "/data.bin", Method: zip.Store})
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
