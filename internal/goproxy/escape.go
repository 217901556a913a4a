// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxy

import "strings"

// The checks of this file are those of module.UnescapePath and
// module.UnescapeVersion, made on the escaped form and one element at a time, so
// that a path needs neither a copy nor, for each place where the module may
// begin, another pass. Tests hold them against golang.org/x/mod.

// checkElement tells whether s is a valid element of an escaped module path, and
// whether it may be the first one: a host name with a dot.
func checkElement(s string) (valid, host bool) {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
		return false, false
	}
	host = s[0] != '-'
	dot := -1
	tilde := -1 // The last one before the first dot.
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isLower(c), isDigit(c), c == '-':
		case c == '.':
			if dot < 0 {
				dot = i
			}
		case c == '_':
			host = false
		case c == '~':
			host = false
			if dot < 0 {
				tilde = i
			}
		case c == '!':
			host = false
			if i++; i == len(s) || !isLower(s[i]) {
				return false, false
			}
		default:
			return false, false
		}
	}
	host = host && dot > 0
	short := s
	if dot > 0 {
		short = s[:dot]
	}
	if reservedOnWindows(short) || tilde >= 0 && allDigits(short[tilde+1:]) {
		return false, false
	}
	return true, host
}

// validPath tells whether s passes module.UnescapePath, but for the major
// version at its end, which module.SplitPathVersion judges.
func validPath(s string) bool {
	for first, more := true, true; more; first = false {
		var element string
		element, s, more = strings.Cut(s, "/")
		if valid, host := checkElement(element); !valid || first && !host {
			return false
		}
	}
	return true
}

// validVersion tells whether s passes module.UnescapeVersion.
func validVersion(s string) bool {
	if s == "" || s[len(s)-1] == '.' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isLower(c) || isDigit(c) {
			continue
		}
		if c == '!' {
			if i++; i == len(s) || !isLower(s[i]) {
				return false
			}
			continue
		}
		if strings.IndexByte("-.+_#$%&(),=@[]^{}~ ", c) < 0 {
			return false
		}
	}
	short, _, _ := strings.Cut(s, ".")
	return !reservedOnWindows(short)
}

// reservedOnWindows tells whether the escaped name is one that no file can have
// on Windows, in whatever case.
func reservedOnWindows(name string) bool {
	var letters [4]byte
	n := 0
	for i := range len(name) {
		if name[i] == '!' {
			continue
		}
		if n == len(letters) {
			return false
		}
		letters[n] = name[i]
		n++
	}
	switch n {
	case 3:
		switch string(letters[:3]) {
		case "con", "prn", "aux", "nul":
			return true
		}
	case 4:
		switch string(letters[:3]) {
		case "com", "lpt":
			return '1' <= letters[3] && letters[3] <= '9'
		}
	}
	return false
}

// unescape turns every !x of a valid escaped string into X. Without one it
// returns s itself.
func unescape(s string) string {
	if strings.IndexByte(s, '!') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '!' {
			i++
			c = s[i] - 'a' + 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// escape is the inverse of unescape. Without a capital letter it returns s itself.
func escape(s string) string {
	capitals := 0
	for i := range len(s) {
		if isUpper(s[i]) {
			capitals++
		}
	}
	if capitals == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + capitals)
	for i := range len(s) {
		c := s[i]
		if isUpper(c) {
			b.WriteByte('!')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// allDigits tells whether s is one digit or more, and nothing else.
func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
