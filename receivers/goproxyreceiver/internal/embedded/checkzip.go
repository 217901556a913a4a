// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// maxElement is what file systems take as a name.
const maxElement = 255

// checkZip reads the zip of m as the go command does when it unpacks it: names,
// sizes and checksums must hold, and of files there are only regular ones
// (https://go.dev/ref/mod#zip-path-size-constraints). It returns the hash by which
// go.sum knows it, for which all of it has to be read anyway; ahead is what was read
// while it came.
func checkZip(file string, m module.Version, ahead map[int64]stretch) (h1 string, err error) {
	if _, err := modzip.CheckZip(m, file); err != nil {
		return "", err
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return "", err
	}
	defer z.Close()
	left := uint64(modzip.MaxZipFile)
	for _, f := range z.File {
		if err := checkEntry(f, left); err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		left -= f.UncompressedSize64
	}
	return hashZip(z.File, ahead)
}

// checkEntry refuses what modzip.CheckZip lets pass, but no file system, or not the
// specification.
func checkEntry(f *zip.File, left uint64) error {
	for element := range strings.SplitSeq(f.Name, "/") {
		if len(element) > maxElement {
			return errors.New("name is too long")
		}
	}
	switch {
	case f.UncompressedSize64 > left:
		return errors.New("total uncompressed size is too large")
	case !strings.HasSuffix(f.Name, "/") && !f.Mode().IsRegular():
		return fmt.Errorf("not a regular file: %v", f.Mode())
	}
	return nil
}

// wholeZip tells whether the end of a zip stands where the size says: what was cut
// off or overwritten at its end is no zip any more. It costs one small read.
func wholeZip(r io.ReaderAt, size int64) bool {
	const length = 22 // of the record that ends a zip without a comment
	var end [length]byte
	if size < length {
		return false
	}
	if _, err := r.ReadAt(end[:], size-length); err == nil && string(end[:4]) == "PK\x05\x06" {
		directory, at := binary.LittleEndian.Uint32(end[12:]), binary.LittleEndian.Uint32(end[16:])
		if int64(directory)+int64(at)+length == size {
			return true
		}
	}
	_, err := zip.NewReader(r, size) // with a comment, or of the 64 bit kind
	return err == nil
}
