// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package goauth answers the go command as a GOAUTH command: with a traceparent
// that is the same for one parent go process, and the identity of the CI job
// that it runs in. It imports internal/redact and little of the standard library.
package goauth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/modtap/modtap/internal/redact"
)

// Mark is the member of tracestate that says: the parent in traceparent is a span
// which Modtap itself is to tell.
const Mark = "modtap=root"

// HeaderOwner is the header that shows that the trace in traceparent is the sender's
// own: the same for one go command, and never passed on, unlike the trace.
const HeaderOwner = "Modtap-Owner"

const usage = `usage: GOAUTH="modtap-goauth https://proxy.corp.example;netrc"

It prints, for the go command (go help goauth), a traceparent and the identity of
the CI job for each URL prefix that is named, else for the first of GOPROXY, and
what netrc has for it if GOAUTH names netrc.
`

// Main answers the go command that is this process's parent on stdout and returns
// the exit code. args are the URL prefixes to answer for.
func Main(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			fmt.Fprint(stderr, usage)
			return 2
		}
	}
	if refused(stdin) {
		args = args[:max(0, len(args)-1)] // the last one is the URL, which may be anybody's
	}
	prefixes, err := urlPrefixes(args, os.Getenv("GOPROXY"))
	if err != nil {
		fmt.Fprintf(stderr, "modtap-goauth: %v\n", err)
		return 1
	}
	if len(prefixes) == 0 {
		fmt.Fprintln(stderr, "modtap-goauth: no prefix is named and GOPROXY doesn't begin with an https:// URL: nothing is sent")
		return 0
	}
	if _, err := io.WriteString(stdout, response(prefixes, parent(os.Getppid()), os.Getenv)); err != nil {
		return 1
	}
	return 0
}

// refused reports whether the go command asks again because of a 4xx: it then
// writes the response to stdin, which is empty otherwise.
func refused(stdin *os.File) bool {
	info, err := stdin.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return false // at a terminal there may be nothing to read for long
	}
	start := make([]byte, len("HTTP/"))
	_, err = io.ReadFull(stdin, start)
	return err == nil && string(start) == "HTTP/"
}

// urlPrefixes returns the prefixes to answer for: those that are named, else the
// first element of the GOPROXY list. The others may be anybody's, and are told
// nothing of a job. The go command sends headers over HTTPS only.
func urlPrefixes(named []string, goproxy string) ([]string, error) {
	if len(named) == 0 {
		first := strings.TrimSpace(goproxy)
		if i := strings.IndexAny(first, ",|"); i >= 0 {
			first = strings.TrimSpace(first[:i])
		}
		if !strings.HasPrefix(first, "https://") {
			return nil, nil
		}
		named = []string{first}
	}
	for _, prefix := range named {
		u, err := url.Parse(prefix)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(prefix, "\r\n") {
			return nil, fmt.Errorf("%q is no https:// URL", redact.Address(prefix))
		}
	}
	return named, nil
}

// response is what the go command reads: for each prefix its URL, a blank line,
// header lines and a blank line.
func response(prefixes []string, parent string, env func(string) string) string {
	ids := sha256.Sum256([]byte("modtap goauth\n" + parent))
	owner := sha256.Sum256([]byte("modtap goauth owner\n" + parent))
	var common strings.Builder
	common.WriteString("Traceparent: 00-" + hex.EncodeToString(ids[:16]) + "-" + hex.EncodeToString(ids[16:24]) + "-01\n")
	common.WriteString("Tracestate: " + Mark + "\n")
	common.WriteString(HeaderOwner + ": " + hex.EncodeToString(owner[:16]) + "\n")
	for i, v := range jobHeaders(env) {
		if v != "" {
			common.WriteString(headers[i] + ": " + v + "\n")
		}
	}
	known := credentials(env)
	var b strings.Builder
	for _, p := range prefixes {
		b.WriteString(p + "\n\n" + common.String())
		if a := authorization(p, known); a != "" {
			b.WriteString("Authorization: " + a + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}
