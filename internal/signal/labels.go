// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"go/version"
	"slices"
	"strconv"
	"strings"
)

// The values of metrics' attributes are ours: whatever clients and upstreams say is
// told in spans and documents, and here as one of few. That is what this file is for;
// modules, clients and toolchains, of which there are too many, are heavy hitters.

// statuses are the status codes that are told apart. Another one is the first of its
// class, as RFC 9110, section 15 has it for codes that aren't known, and what is none
// is 500.
var statuses = func() (told [1000]string) {
	for code := range told {
		class := code / 100 * 100
		if class < 100 || class > 500 {
			class = 500
		}
		told[code] = strconv.Itoa(class)
	}
	for _, code := range []int{
		200, 206, 301, 302, 303, 304, 307, 308,
		400, 401, 403, 404, 405, 407, 408, 410, 412, 416, 429, 451,
		500, 501, 502, 503, 504, 508,
	} {
		told[code] = strconv.Itoa(code)
	}
	return told
}()

// statusLabel is http.response.status_code; empty: there was no answer.
func statusLabel(code int) string {
	switch {
	case code == 0:
		return ""
	case code < 0 || code >= len(statuses):
		return statuses[0]
	}
	return statuses[code]
}

// protocolLabel is network.protocol.version; empty: it is none that there is.
func protocolLabel(version string) string {
	switch version {
	case "1.0", "1.1", "2", "3":
		return version
	}
	return ""
}

// errorLabel is error.type: a word of ours, or a status code.
func errorLabel(word string) string {
	if code, err := strconv.Atoi(word); err == nil {
		return statusLabel(code)
	}
	return word
}

// The platforms of `go tool dist list`.
var (
	toolchainOS   = []string{"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows"}
	toolchainArch = []string{"386", "amd64", "arm", "arm64", "armv6l", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
)

const other = "_other"

// maxVersion is longer than any version of Go: go1.999.999rc99 fits.
const maxVersion = 16

// toolchainLabel is a toolchain's version, os and arch as one key: a version of Go
// without the suffix of whoever built it, and platforms that there are.
func toolchainLabel(name, goos, goarch string) string {
	name, _, _ = strings.Cut(name, "-")
	if !version.IsValid(name) || len(name) > maxVersion {
		name = other
	}
	if !slices.Contains(toolchainOS, goos) {
		goos = other
	}
	if !slices.Contains(toolchainArch, goarch) {
		goarch = other
	}
	return name + "/" + goos + "/" + goarch
}
