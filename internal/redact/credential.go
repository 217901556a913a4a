// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"encoding/base64"
	"slices"
	"strings"
)

// credentials redacts what is a secret by its own form or by the name before it.
func credentials(s string) string { return tokens(named(authorizations(s))) }

// schemes are those of an Authorization header (RFC 9110, section 11.4) and what
// some servers take beside them.
var schemes = [...]string{"basic ", "bearer ", "apikey ", "token "}

// authorizations redacts what follows the name of an authorization scheme.
func authorizations(s string) string {
	if !strings.Contains(s, " ") {
		return s
	}
	lower := lowered(s)
	return replace(s, func(i int) span {
		for _, scheme := range schemes {
			if !strings.HasPrefix(lower[i:], scheme) || i > 0 && isNameByte(lower[i-1]) {
				continue
			}
			value := span{i + len(scheme), i + len(scheme)}
			for value.end < len(s) && isTokenByte(s[value.end]) {
				value.end++
			}
			if text := s[value.start:value.end]; scheme == "basic " && isBasic(text) || scheme != "basic " && looksRandom(text) {
				return value
			}
		}
		return span{}
	})
}

// isBasic tells whether text is the user and password of Basic authorization.
func isBasic(text string) bool {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return err == nil && strings.Contains(string(plain), ":")
}

// looksRandom tells a token from a word of a sentence, such as "token expired".
func looksRandom(text string) bool {
	return len(text) >= 6 && (strings.ContainsAny(text, "0123456789_") || strings.ToLower(text) != text || len(text) >= 20)
}

// names end the names of headers, parameters and members of JSON objects whose
// values are secrets.
var names = [...]string{
	"authorization", "cookie", "token", "password", "passwd", "passphrase", "secret", "apikey", "accesskey", "accesskeyid", "privatekey",
	"signature", "credential", "sig",
}

// named redacts the value of name=value, of "name":"value" and of Header: value.
func named(s string) string {
	if !strings.ContainsAny(s, "=:") {
		return s
	}
	lower := lowered(s)
	return replace(s, func(i int) span {
		if s[i] != '=' && s[i] != ':' {
			return span{}
		}
		name := nameBefore(lower[:i])
		if !slices.ContainsFunc(names[:], func(n string) bool { return strings.HasSuffix(name, n) && (n != "sig" || name == n) }) {
			return span{}
		}
		return valueAfter(s, i, strings.HasSuffix(name, "authorization") || strings.HasSuffix(name, "cookie"))
	})
}

// nameBefore returns the name at the end of s, without quotes, - and _.
func nameBefore(s string) string {
	s = strings.TrimRight(s, `"'\ `)
	start := len(s)
	for start > 0 && isNameByte(s[start-1]) {
		start--
	}
	return strings.NewReplacer("-", "", "_", "").Replace(s[start:])
}

// valueAfter returns where the value is behind the sign at i. What stands in
// quotes and the value of a header may have spaces in it; after a colon only
// these are values: "invalid token: unexpected end" is a sentence.
func valueAfter(s string, i int, header bool) span {
	start := i + 1
	for start < len(s) && (s[start] == ' ' || s[start] == '[') {
		start++
	}
	opened := start
	for opened < len(s) && s[opened] == '\\' {
		opened++
	}
	line := s[opened:]
	if end := strings.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	if line != "" && strings.ContainsRune("\"'", rune(line[0])) {
		if end := closing(s[:opened+1], line[1:]); end >= 0 {
			return span{opened + 1, opened + 1 + end}
		}
		return span{opened + 1, opened + len(line)}
	}
	ends := "\"'&;, )]}"
	if header {
		ends = "\"']"
	} else if s[i] == ':' {
		return span{}
	}
	if end := strings.IndexAny(line, ends); end >= 0 {
		line = line[:end]
	}
	return span{opened, opened + len(strings.TrimRight(line, `\`))}
}

// forms are what the tokens of well-known issuers begin with.
var forms = [...]string{
	"ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "gldt-", "glcbt-", "glptt-", "glrt-", "xoxb-", "xoxp-", "npm_", "pypi-",
	"hvs.", "dckr_pat_", "AKIA", "ASIA", "eyJ", "cmVmd", "AKCp", "ATATT", "ATBB", "sk-",
}

// shortestForm is the length in bytes from which a name that begins with one of
// forms is a token.
const shortestForm = 12

func hasForm(text string) bool {
	return len(text) >= shortestForm && slices.ContainsFunc(forms[:], func(f string) bool { return strings.HasPrefix(text, f) })
}

// tokens redacts tokens of well-known issuers.
func tokens(s string) string {
	if len(s) < shortestForm {
		return s
	}
	return replace(s, func(i int) span {
		if i > 0 && isNameByte(s[i-1]) {
			return span{}
		}
		end := i
		for end < len(s) && isTokenByte(s[end]) && s[end] != '/' && s[end] != '=' {
			end++
		}
		if text := s[i:end]; hasForm(text) && looksRandom(text) {
			return span{i, end}
		}
		return span{}
	})
}

// IsToken tells whether a user's name is more likely a token than a person or a
// machine: it has the form of a well-known issuer's tokens, or it is long and
// random.
func IsToken(name string) bool {
	if hasForm(name) {
		return true
	}
	digits, letters := 0, 0
	for i := range len(name) {
		switch c := name[i]; {
		case '0' <= c && c <= '9':
			digits++
		case isLetter(c):
			letters++
		case !isTokenByte(c):
			return false
		}
	}
	return len(name) >= 20 && digits >= 3 && letters >= 1
}

func isNameByte(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' || c == '_' || c == '-' }

func isTokenByte(c byte) bool {
	return isNameByte(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '='
}

// replace puts [secret] where find returns a span, which is asked for each byte
// of s that isn't within one yet.
func replace(s string, find func(i int) span) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if cut := find(i); cut.end > cut.start && cut.start >= done && s[cut.start:cut.end] != secret {
			out.WriteString(s[done:cut.start])
			out.WriteString(secret)
			done = cut.end
			i = max(i, cut.end-1)
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// lowered is s with its ASCII letters in lower case, byte by byte.
func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
