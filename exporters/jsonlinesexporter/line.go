// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"encoding/json"
)

// identity reads service.instance.id and event.id from a line as package
// document writes them, without white space between the tokens. It reports false
// for a line of another form and for one without event.id; a line without
// service.instance.id has an empty one. Only what leads there is read, at the
// speed of memory, since a start reads many lines.
func identity(line []byte) (instance, eventID string, ok bool) {
	p := lineParser{rest: line}
	if !p.object(atRoot) || len(p.rest) > 0 || p.eventID == "" {
		return "", "", false
	}
	return p.instance, p.eventID, true
}

// place is where in a document the parser is.
type place uint8

const (
	elsewhere place = iota
	atRoot
	atEvent
	atEventID
	atService
	atInstance
	atInstanceID
)

// child is where the member with a name, in its quotes, is.
func (at place) child(name []byte) place {
	switch {
	case at == atRoot && string(name) == `"event"`:
		return atEvent
	case at == atRoot && string(name) == `"service"`:
		return atService
	case at == atService && string(name) == `"instance"`:
		return atInstance
	case at == atEvent && string(name) == `"id"`:
		return atEventID
	case at == atInstance && string(name) == `"id"`:
		return atInstanceID
	}
	return elsewhere
}

type lineParser struct {
	rest              []byte
	instance, eventID string
}

// object reads an object that something is wanted of.
func (p *lineParser) object(at place) bool {
	if !p.take('{') {
		return false
	}
	if p.take('}') {
		return true
	}
	for {
		name, ok := p.text()
		if !ok || !p.take(':') || !p.value(at.child(name)) {
			return false
		}
		if !p.take(',') {
			return p.take('}')
		}
	}
}

func (p *lineParser) value(at place) bool {
	switch at { // Of two members of one name the later one counts.
	case atEvent, atEventID:
		p.eventID = ""
	case atService, atInstance, atInstanceID:
		p.instance = ""
	}
	switch {
	case len(p.rest) == 0:
		return false
	case p.rest[0] == '{' && at != elsewhere:
		return p.object(at)
	case p.rest[0] == '{' || p.rest[0] == '[':
		return p.skipNested()
	case p.rest[0] != '"':
		return p.skipScalar()
	}
	text, ok := p.text()
	switch at {
	case atEventID:
		p.eventID = plain(text)
	case atInstanceID:
		p.instance = plain(text)
	}
	return ok
}

func (p *lineParser) take(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// text reads a string, with its quotes and escapes.
func (p *lineParser) text() ([]byte, bool) {
	if len(p.rest) == 0 || p.rest[0] != '"' {
		return nil, false
	}
	for end := 1; ; {
		i := bytes.IndexByte(p.rest[end:], '"')
		if i < 0 {
			return nil, false
		}
		end += i + 1
		escapes := 0
		for p.rest[end-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			text := p.rest[:end]
			p.rest = p.rest[end:]
			return text, true
		}
	}
}

func (p *lineParser) skipScalar() bool {
	for i, c := range p.rest {
		switch c {
		case ',', '}', ']', '"', '{', '[':
			p.rest = p.rest[i:]
			return i > 0
		}
	}
	return false
}

func (p *lineParser) skipNested() bool {
	depth := 0
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			p.rest = p.rest[i:]
			if _, ok := p.text(); !ok {
				return false
			}
			i = -1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				p.rest = p.rest[i+1:]
				return true
			}
		}
	}
	return false
}

// plain is what a string with quotes stands for.
func plain(text []byte) string {
	if bytes.IndexByte(text, '\\') < 0 && len(text) >= 2 {
		return string(text[1 : len(text)-1])
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s
}
