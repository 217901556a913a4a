// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"strings"
	"unicode"

	"github.com/modtap/modtap/internal/printable"
)

// Text returns a text for people, such as an error's, without the secrets of the
// URLs in it, quoted or not, and without credentials of other forms: Authorization
// headers, tokens of known forms, parameters whose names say that they are secret.
// Where userinfo without a scheme has white space or quotes in it, nobody can say
// where it begins: a setting goes through [Address] before it enters a text.
func Text(s string) string {
	if !strings.ContainsAny(s, "@:=% ") {
		return tokens(s) // A word.
	}
	return credentials(ports(userinfo(urls(s))))
}

// ports redacts what net/url quotes as a port: the password of a URL in which a
// slash or a question mark ends the host before its @.
func ports(s string) string {
	const reason = "invalid port "
	return replace(s, func(i int) span {
		if !strings.HasPrefix(s[i:], reason) {
			return span{}
		}
		return valueAfter(s, i+len(reason)-1, false)
	})
}

// Line is [Text] as one line that no terminal plays.
func Line(s string) string { return printable.Line(Text(s)) }

// Path returns the path of a request, decoded, without what may be userinfo in it, as
// in /https://user:password@host/, and without an escaped query or fragment. Paths of the protocol stay as they are.
func Path(path string) string {
	if hidesUser(path) {
		path = userinfo(urls(path))
	}
	return withoutQuery(path)
}

// Error returns err with its text redacted. [errors.Is] and [errors.As] see err
// itself. A nil error stays nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	raw := err.Error()
	if text := Text(raw); text != raw {
		return &redacted{text: text, err: err}
	}
	return err
}

type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// marks are what stands between scheme and authority: as it is, as some JSON
// encoders write it, and percent-encoded as in a query.
var marks = [...]string{"://", `:\/\/`, "%3A%2F%2F", "%3a%2f%2f"}

func nextMark(s string) (at int, mark string) {
	at = -1
	for _, m := range marks {
		if i := strings.Index(s, m); i >= 0 && (at < 0 || i < at) {
			at, mark = i, m
		}
	}
	return at, mark
}

// urls redacts what has a scheme.
func urls(s string) string {
	var out strings.Builder
	for {
		at, mark := nextMark(s)
		if at < 0 {
			out.WriteString(s)
			return out.String()
		}
		start := at
		for start > 0 && isSchemeByte(s[start-1]) {
			start--
		}
		end := at + len(mark) + extent(s[:start], s[at+len(mark):])
		shown := Placeholder
		if raw := s[start:end]; mark == marks[0] && !strings.Contains(raw, `\`) {
			shown = Address(raw)
		}
		if !strings.Contains(s[start:end], "@") {
			// A space or a quote in a password ended the URL before its host.
			if more := strayUser(s[end:]); more > 0 {
				shown, end = Placeholder, end+more
			}
		}
		out.WriteString(s[:start])
		out.WriteString(shown)
		s = s[end:]
	}
}

// extent returns how long a URL is whose authority begins with rest: up to the
// quote that closes the one before it, else up to white space.
func extent(before, rest string) int {
	line := rest
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	if end := closing(before, line); end >= 0 {
		return min(end, list(line[:end]))
	}
	end := strings.IndexFunc(line, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' || r == '<' || r == '>'
	})
	if end < 0 {
		end = len(line)
	}
	return list(strings.TrimRight(line[:end], `:.,;|)]}'!\`+"`"))
}

// list returns where the first element of a list ends that a URL begins, as in
// https://a.example,https://b.example|direct.
func list(token string) int {
	for i := range len(token) {
		if token[i] != ',' && token[i] != '|' {
			continue
		}
		next := token[i+1:]
		if element, _, ok := strings.Cut(next, "://"); ok && isScheme(element) {
			return i
		}
		if end := strings.IndexAny(next, ",|"); end >= 0 {
			next = next[:end]
		}
		if next == "direct" || next == "off" {
			return i
		}
	}
	return len(token)
}

// closing returns where the quote is that closes the one at the end of before; -1:
// there is none. Within texts that were quoted again, it has as many backslashes.
func closing(before, line string) int {
	if before == "" || !strings.ContainsRune("\"'`", rune(before[len(before)-1])) {
		return -1
	}
	quote, depth := before[len(before)-1], backslashes(before[:len(before)-1])
	for i := range len(line) {
		if line[i] == quote {
			if backslashes(line[:i]) == depth {
				return i - depth
			}
		}
	}
	return -1
}

func backslashes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }

// strayUser returns the length of the text up to and with the host after an @ on
// the same line that ends userinfo; 0: there is none.
func strayUser(s string) int {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	found := 0
	for word := range words(s) {
		if at, mark := nextMark(s[:word.end]); at >= 0 && mark != "" {
			break // It is the business of that URL.
		}
		if text := s[word.start:word.end]; isUser(text) || text[0] == '@' && len(text) > 1 && text != "@timestamp" {
			found = word.end
		}
	}
	return found
}

// userinfo redacts user:password@host and token@host where there is no scheme.
func userinfo(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	var out strings.Builder
	done := 0
	for word := range words(s) {
		if isUser(s[word.start:word.end]) {
			out.WriteString(s[done:max(done, userStart(s, word))])
			out.WriteString(Placeholder)
			done = word.end
		}
	}
	out.WriteString(s[done:])
	return out.String()
}

// userStart returns where the userinfo begins that ends in a word: before it, if a
// space or a quote in the password parts it within the quotes around both.
func userStart(s string, word span) int {
	line := strings.LastIndexAny(s[:word.start], "\r\n") + 1
	for open := word.start - 1; open >= line; open-- {
		if end := closing(s[:open+1], s[open+1:]); end < 0 || open+1+end < word.end {
			continue
		}
		for before := range words(s[open+1 : word.start]) {
			text := s[open+1+before.start : open+1+before.end]
			if strings.HasPrefix(text, "//") || strings.Contains(text, ":") && !strings.Contains(text, "://") {
				return open + 1 + before.start
			}
		}
		break
	}
	return word.start
}

// isUser tells whether a word has userinfo in it. Module paths with a version and
// paths of the protocol have an @ too.
func isUser(word string) bool {
	if u, ok := strings.CutPrefix(word, Placeholder); ok {
		word = u
	}
	if !hidesUser(word) || strings.Contains(word, "://") && !strings.Contains(Address(word), Placeholder) {
		return false
	}
	for i := strings.LastIndexByte(word, '@'); i >= 0 && isProtocolAt(word, i); i = strings.LastIndexByte(word, '@') {
		word = word[:i]
	}
	before, after, _ := strings.Cut(word, "@")
	if before == "" && !strings.Contains(after, "@") {
		return false // @timestamp
	}
	if strings.Contains(after, "@") || strings.ContainsAny(before, ":%") {
		return true
	}
	if before[0] == '/' && !strings.HasPrefix(before, "//") {
		return false // A file's path.
	}
	if len(after) > 1 && after[0] == 'v' && '0' <= after[1] && after[1] <= '9' {
		return false // A module's version.
	}
	first, _, slash := strings.Cut(strings.TrimPrefix(before, "/"), "/")
	return !slash || !strings.Contains(first, ".")
}
