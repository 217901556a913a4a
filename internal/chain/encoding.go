// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// decode lets the body of resp be read without a content coding that nobody asked
// for (RFC 9110, section 8.4): gzip is undone, as the go command's own transport
// does, all else refused. Who asked for the coding, in header, gets it as it is. How
// long the result may be is for its reader to say.
func decode(resp *http.Response, header http.Header) error {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(resp.Header.Values("Content-Encoding"), ",")))
	if coding == "" || coding == "identity" || accepts(header, coding) {
		return nil
	}
	if coding != "gzip" && coding != "x-gzip" { // two names of one coding (RFC 9110, section 8.4.1.3)
		return errAnswer("content coding that nobody asked for, other than gzip")
	}
	if resp.StatusCode == http.StatusPartialContent {
		return errAnswer("part of a compressed answer that nobody asked for")
	}
	// Length, entity tag and ranges are those of the compressed form.
	for _, name := range []string{"Content-Encoding", "Content-Length", "ETag", "Accept-Ranges", "Content-MD5", "Digest"} {
		resp.Header.Del(name)
	}
	resp.ContentLength, resp.Uncompressed = -1, true
	resp.Body = &unzipped{body: resp.Body}
	return nil
}

// accepts tells whether a request with header h asks for a coding, or for several.
func accepts(h http.Header, coding string) bool {
	asked := make(map[string]bool)
	for _, line := range h.Values("Accept-Encoding") {
		for member := range strings.SplitSeq(strings.ToLower(line), ",") {
			name, weight, _ := strings.Cut(member, ";")
			weight = strings.ReplaceAll(weight, " ", "")
			asked[strings.TrimSpace(name)] = strings.Trim(weight, "q=0.") != "" || weight == ""
		}
	}
	for c := range strings.SplitSeq(coding, ",") {
		c = strings.TrimSpace(c)
		if wanted, named := asked[c]; !wanted && (named || !asked["*"]) {
			return false
		}
	}
	return true
}

// unzipped undoes gzip. It begins with the first read: nothing waits for a body that
// nobody wants.
type unzipped struct {
	body io.ReadCloser
	zip  *gzip.Reader
	err  error
}

// Read implements [io.Reader].
func (u *unzipped) Read(p []byte) (int, error) {
	if u.zip == nil && u.err == nil {
		u.zip, u.err = gzip.NewReader(u.body) // io.EOF of an empty body
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.zip.Read(p)
}

// Close implements [io.Closer].
func (u *unzipped) Close() error { return u.body.Close() }
