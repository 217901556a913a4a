// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOperation(t *testing.T) {
	names := make([]string, 0, len(Operations()))
	for _, o := range Operations() {
		names = append(names, o.String())
	}
	assert.Equal(t, []string{"list", "latest", "info", "mod", "zip", "query", "sumdb", "other"}, names)
	assert.Len(t, Operations(), len(operationNames))
	assert.Equal(t, "other", Operation(200).String())

	mine := Operations()
	mine[0] = Other
	assert.Equal(t, List, Operations()[0], "the slice belongs to the caller")
}

func TestZeroRequest(t *testing.T) {
	var r Request
	assert.Equal(t, Other, r.Operation)
	assert.False(t, r.Pseudo())
	assert.False(t, r.Incompatible())
	_, _, _, ok := r.Toolchain()
	assert.False(t, ok)
	assert.Empty(t, Request{Operation: SumDB}.Route())
	assert.Empty(t, Request{Operation: SumDB}.File())
}

func TestRequestVersionForms(t *testing.T) {
	for _, tt := range []struct {
		version              string
		pseudo, incompatible bool
	}{
		{"v1.2.3", false, false},
		{"v1.2.3-pre-1", false, false},
		{"v0.0.0-20260527015227-08cc5374adb3", true, false},
		{"v1.2.4-0.20260527015227-08cc5374adb3", true, false},
		{"v1.2.3-rc.1.0.20260527015227-08cc5374adb3", true, false},
		{"v2.0.1-0.20260527015227-08cc5374adb3+incompatible", true, true},
		{"v2.0.0+incompatible", false, true},
		{"v2.0.0+meta", false, false},
		{"branch+incompatible", false, false},
		{"master", false, false},
	} {
		t.Run(tt.version, func(t *testing.T) {
			r := Parse("/example.com/m/@v/" + tt.version + ".info")
			assert.Equal(t, tt.version, r.Version)
			assert.Equal(t, tt.pseudo, r.Pseudo())
			assert.Equal(t, tt.incompatible, r.Incompatible())
		})
	}
}

func TestRequestToolchain(t *testing.T) {
	for _, tt := range []struct{ file, version, goos, goarch string }{
		{"golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", "go1.26.8", "linux", "amd64"},
		{"golang.org/toolchain/@v/v0.0.1-go1.26.8.darwin-arm64.mod", "go1.26.8", "darwin", "arm64"},
		{"golang.org/toolchain/@v/v0.0.1-go1.21rc3.windows-386.info", "go1.21rc3", "windows", "386"},
		{"golang.org/toolchain/@v/v0.0.1-go1.9.2rc2.linux-ppc64le.zip", "go1.9.2rc2", "linux", "ppc64le"},
		{"golang.org/toolchain/@v/v0.0.1-go1.21.0-bigcorp.linux-armv6l.zip", "go1.21.0-bigcorp", "linux", "armv6l"},
		{"golang.org/toolchain/@v/v0.0.1-go1.linux-amd64.zip", "go1", "linux", "amd64"},
		{"sumdb/sum.golang.org/lookup/golang.org/toolchain@v0.0.1-go1.26.8.plan9-arm", "go1.26.8", "plan9", "arm"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			version, goos, goarch, ok := Parse("/go/" + tt.file).Toolchain()
			assert.True(t, ok)
			assert.Equal(t, []string{tt.version, tt.goos, tt.goarch}, []string{version, goos, goarch})
		})
	}
	for _, file := range []string{
		"golang.org/toolchain/@v/list",
		"golang.org/toolchain/@latest",
		"golang.org/toolchain/@v/v0.0.1.info",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.info",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.src.info",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-.info",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64-x.info",
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.!linux-amd64.info",
		"golang.org/toolchain/@v/v0.0.1-linux-amd64.info",
		"golang.org/toolchain/@v/v0.0.1-x1.26.8.linux-amd64.info",
		"golang.org/toolchain/@v/v0.0.2-go1.26.8.linux-amd64.info",
		"golang.org/x/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.info",
	} {
		t.Run(file, func(t *testing.T) {
			r := Parse("/" + file)
			assert.NotEqual(t, Other, r.Operation)
			_, _, _, ok := r.Toolchain()
			assert.False(t, ok)
		})
	}
}
