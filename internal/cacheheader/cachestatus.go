// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cacheheader

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/modtap/modtap/internal/exchange"
)

// member is one member of a Cache-Status list: a cache and what it did
// (RFC 9211 section 2). Parameters that say nothing of the result aren't kept.
type member struct {
	name           string // empty: neither token nor string, it can't be trusted
	params         bool
	hit, collapsed bool
	fwd            string
	fwdStatus, ttl int64
}

// readCacheStatus reads a Cache-Status line. Its last member is the cache
// nearest to us.
func readCacheStatus(line string) said {
	m, ok := lastMember(line)
	if !ok || m.name == "" {
		return said{}
	}
	if !m.params {
		// No parameter, no statement. But some write the bare word as in X-Cache,
		// such as Traefik's simplecache plugin.
		return words[strings.ToLower(m.name)]
	}
	s := m.judge()
	if s.result != "" {
		s.cache = m.name
	}
	return s
}

// judge follows RFC 9211 section 2. A hit that was also forwarded contradicts
// itself, with one exception: "hit; fwd=stale" is how Souin, Caddy's cache, says
// that it served a stale answer.
func (m *member) judge() said {
	switch {
	case m.collapsed && (m.hit || m.fwd != ""):
		return said{result: exchange.Coalesced}
	case m.fwd == "stale" && m.fwdStatus == http.StatusNotModified:
		return said{result: exchange.Revalidated}
	case m.hit && (m.fwd == "stale" || m.fwd == "" && m.ttl < 0):
		return said{result: exchange.Stale}
	case m.hit && m.fwd == "":
		return said{result: exchange.Hit}
	}
	switch m.fwd {
	case "":
		return said{}
	case "bypass", "method", "request":
		return said{result: exchange.Bypass, conflict: m.hit}
	case "stale":
		return said{result: exchange.Miss, reason: exchange.MissExpired}
	}
	return said{result: exchange.Miss, conflict: m.hit}
}

// lastMember parses a list of items with parameters (RFC 8941 section 3.1) and
// returns the last one. Of two parameters of one name the last counts, and one
// of the wrong type isn't there. It is more patient than the RFC in one
// point: a value that is no item at all spoils only itself, not the whole field,
// because Souin writes its key=GET-https-host-/m/@v/list without quotes.
// ok is false for an empty list and where a string doesn't end.
func lastMember(line string) (last member, ok bool) {
	for line != "" {
		var m member
		text, end := cutPiece(&line)
		m.name = name(text)
		empty := text == ""
		for end == ';' {
			text, end = cutPiece(&line)
			m.set(text)
			empty = false
		}
		if end == unended {
			return member{}, false
		}
		if !empty {
			last, ok = m, true
		}
	}
	return last, ok
}

func (m *member) set(param string) {
	key, value, valued := strings.Cut(param, "=")
	m.params = true
	switch key {
	case "hit":
		m.hit = !valued || value == "?1"
	case "collapsed":
		m.collapsed = !valued || value == "?1"
	case "fwd":
		m.fwd = ""
		if isToken(value) {
			m.fwd = value
		}
	case "fwd-status":
		m.fwdStatus = integer(value)
	case "ttl":
		m.ttl = integer(value)
	}
}

// unended stands for the end of a line inside a string.
const unended = '"'

// cutPiece takes what stands before the next comma or semicolon outside a string
// off line, without the white space around it, and returns it with that
// delimiter, which is zero at the end of the line.
func cutPiece(line *string) (piece string, end byte) {
	s, quoted := *line, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == ';'):
			*line = s[i+1:]
			return trim(s[:i]), c
		}
	}
	*line = ""
	if quoted {
		return "", unended
	}
	return trim(s), 0
}

// name returns the value of a token or string (RFC 8941 sections 3.3.4 and
// 3.3.3), empty for anything else.
func name(item string) string {
	if isToken(item) {
		return item
	}
	if len(item) < 2 || item[0] != '"' || item[len(item)-1] != '"' {
		return ""
	}
	value := make([]byte, 0, len(item))
	for i := 1; i < len(item)-1; i++ {
		c := item[i]
		if c == '\\' {
			i++
			c = item[i] // at most the closing quote
			if c != '"' && c != '\\' || i == len(item)-1 {
				return ""
			}
		} else if c == '"' || c < ' ' || c > '~' {
			return ""
		}
		value = append(value, c)
	}
	return string(value)
}

// isToken follows RFC 8941 section 3.3.4.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		switch {
		case letter, i == 0 && s[i] == '*':
		case i > 0 && ('0' <= s[i] && s[i] <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~:/", s[i]) >= 0):
		default:
			return false
		}
	}
	return s != ""
}

// integer returns the value of an integer (RFC 8941 section 3.3.1), zero for
// anything else.
func integer(s string) int64 {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
