// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/redact"
)

// directFault is a failure to fetch from version control that doesn't say whether there
// is something.
type directFault struct {
	word string
	text string
}

func (f *directFault) Error() string     { return f.text }
func (f *directFault) ErrorType() string { return f.word }

// directDenied is the word of a host that it won't give what was asked for, as a status
// code.
type directDenied struct {
	code int
	text string
}

func (f *directDenied) Error() string     { return f.text }
func (f *directDenied) ErrorType() string { return strconv.Itoa(f.code) }

var errDirectTimeout = fmt.Errorf("fetching from version control took too long: %w", os.ErrDeadlineExceeded)

// proofs are what the go command says of something that isn't there, once it has asked
// who would know, or where the name alone decides. All else, a new text of its own
// included, is no proof. In lower case.
var proofs = []string{
	// cmd/go/internal/vcs: the path is none, or its host says that nothing is there.
	"no go-import meta tags", "did not match import path", "invalid _ import path",
	"malformed module path", "malformed import path", "invalid module path", "disallowed version string", "invalid char ", "leading dot in path element",
	"missing dot in first path element",
	// cmd/go/internal/modfetch, modload: the repository was read.
	"unknown revision", "no matching versions for query", "invalid pseudo-version", "not a canonical version", "missing go.mod",
	"go.mod has post-v", "go.mod has non-", "go.mod has malformed module path", "module contains a go.mod file, so module path must match major version",
	"go.mod file indicates replacement", "module declares its path as", "should be v", "/go.mod at revision", "does not contain package",
}

// systemProofs are the same of version control, behind its exit status, where they are
// the only ones: much of what it prints there is the host's.
var systemProofs = []string{
	// Git and who serves it.
	"remote: repository not found", "error: repository not found", "couldn't find remote ref", "does not appear to be a git repository",
	"the project you were looking for could not be found", "repository does not exist", "repository not exported",
	// Subversion's SVN_ERR_FS_NOT_FOUND and SVN_ERR_RA_SVN_REPOS_NOT_FOUND; bzr, whose successor is brz.
	"svn: e160013: ", "svn: e210005: ", "brz: error: not a branch: ", "bzr: error: not a branch: ",
}

// quotes are where the words of a host begin.
var quotes = []string{"server response:", "---%<---", "server sends error:", "unknown bzrdir format:"}

var (
	// answered are the status codes that web.Get of cmd/go, git's remote-http and the
	// other systems of version control tell.
	answered = regexp.MustCompile(`(?:reading https?://\S+: |returned error: |http basic: |rpc failed; http |` +
		`abort: http error |unexpected http status |unexpected server error |server says: )(\d{3})\b`)
	// absent is git's own word for a repository of which a server says 404.
	absent = regexp.MustCompile(`fatal: repository '[^']*' not found`)
)

// judgeDirect tells what a text of git or the go command proves about what was asked
// for, whose own names say nothing.
func judgeDirect(text, path, version string) error {
	told := redact.Text(text) // Git quotes URLs, with the password of an insteadOf in them.
	said := strings.ToLower(text)
	for _, quote := range quotes {
		said, _, _ = strings.Cut(said, quote) // What a server wrote is no word of theirs.
	}
	said = without(said, strings.ToLower(path), strings.ToLower(version))
	ofGo, ofSystem, _ := strings.Cut(said, "exit status ")
	code := 0
	if m := answered.FindStringSubmatch(said); m != nil {
		code, _ = strconv.Atoi(m[1])
	}
	word := outageWord(said)
	switch {
	case isTooNew(&directFault{text: said}):
		return &directFault{word: wordToolchain, text: told + tooNewCure}
	case code == http.StatusNotFound, code == http.StatusGone:
		return errNotFound(told)
	case code == http.StatusUnauthorized || containsAny(said, "could not read username", "could not read password", "authentication failed", "permission denied (publickey",
		"http authorization required", "abort: authorization failed", "svn: e170001: ", "svn: e215004: "):
		return &directDenied{http.StatusUnauthorized, told}
	case (&Error{Code: code}).Denied():
		return &directDenied{code, told}
	case containsAny(said, "govcs disallows", "svn: e175013: "):
		return &directDenied{http.StatusForbidden, told}
	case code == http.StatusGatewayTimeout:
		return &directFault{word: exchange.ErrorTimeout, text: told}
	case code >= http.StatusInternalServerError && code < 600:
		return &directFault{word: strconv.Itoa(code), text: told}
	case code != 0 || word != "":
		return &directFault{word: cmp.Or(word, exchange.ErrorOther), text: told}
	case containsAny(ofGo, proofs...), containsAny(ofSystem, systemProofs...), absent.MatchString(ofSystem):
		return errNotFound(told)
	}
	return &directFault{word: exchange.ErrorOther, text: told}
}

// without takes the version, the path and what is above the path out of a text.
func without(said, path, version string) string {
	if version != "" {
		said = strings.ReplaceAll(said, "@"+version, "@")
	}
	for strings.Contains(path, "/") {
		said = strings.ReplaceAll(said, path, "_")
		path = path[:strings.LastIndexByte(path, '/')]
	}
	if path != "" {
		said = strings.ReplaceAll(said, path, "_")
	}
	return said
}

// outages are what they say where the host wasn't reached or broke off, by the word
// that tells it. The first that fits counts.
var outages = []struct {
	word  string
	texts []string
}{
	{exchange.ErrorDNS, []string{"could not resolve", "no such host", "name or service not known", "temporary failure in name resolution", "server misbehaving"}},
	{exchange.ErrorTimeout, []string{"timed out", "i/o timeout", "handshake timeout", "client.timeout", "http: timeout", "timeout was reached", "deadline exceeded", "operation too slow"}},
	{exchange.ErrorRefused, []string{"connection refused"}},
	{exchange.ErrorUnreachable, []string{"network is unreachable", "no route to host", "host is down"}},
	{exchange.ErrorTLS, []string{
		"x509: ", "tls: ", "ssl: ", "ssl cert", "server certificate", "certificate verif", "ssl_", "ssl routines", "gnutls", "tls connect error",
		"gave http response to https client", "unknown protocol", "wrong version number",
	}},
	{exchange.ErrorReset, []string{
		"connection reset", "broken pipe", "unexpected eof", "early eof", "hung up", "unexpected disconnect", ": eof", "empty reply", "recv failure",
		"bad http status line: ''", "closed connection without response", "connection closed", "svn: e175012: ", "svn: e120108: ",
		"send failure", "transfer closed", "stream was not closed cleanly", "invalid index-pack output", "curl 18", "curl 56", "curl 92",
	}},
	{exchange.ErrorOther, []string{"unable to access", "could not connect", "failed to connect", "couldn't connect", "no secure protocol found", "dial tcp", "proxyconnect", "cannot connect to host"}},
}

func outageWord(said string) string {
	for _, o := range outages {
		if containsAny(said, o.texts...) {
			return o.word
		}
	}
	return ""
}

// wordToolchain is the error.type word of a version that this machine's Go is too old
// to pack.
const wordToolchain = "toolchain_too_old"

// tooNewCure follows what the go command says: only a Go that knows the version of the
// language says which files belong into the zip, and fetching one because a request names it is
// no business of a proxy's.
const tooNewCure = "; Modtap runs this machine's go command and lets it fetch no other: install that Go where Modtap runs, or name a proxy that has the zip before direct in the list"

// isTooNew reports whether err is gover.TooNewError of cmd/go.
func isTooNew(err error) bool {
	return strings.Contains(err.Error(), " requires go >= ") && strings.Contains(strings.ToLower(err.Error()), "gotoolchain=local")
}

func containsAny(s string, texts ...string) bool {
	for _, a := range texts {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}
