// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netrc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []Entry
	}{
		{"one line", "machine a.example login me password secret", []Entry{{"a.example", "me", "secret"}}},
		{"several lines", "machine a.example\n\tlogin me\n  password secret\r\n", []Entry{{"a.example", "me", "secret"}}},
		{"password first", "machine a password secret login me", []Entry{{"a", "me", "secret"}}},
		{"two", "machine a login b password c\nmachine d login e password f", []Entry{{"a", "b", "c"}, {"d", "e", "f"}}},
		{"half an entry", "machine a login b\nmachine d login e password f", []Entry{{"d", "e", "f"}}},
		{"an account is skipped", "machine a login b account x password c", []Entry{{"a", "b", "c"}}},
		{"a macro", "macdef init\nmachine a login b password c\n\nmachine d login e password f", []Entry{{"d", "e", "f"}}},
		{"default is nobody's", "machine a login b password c\ndefault login x password y", []Entry{{"a", "b", "c"}}},
		{"behind default", "default\nmachine a login b password c", nil},
		{"empty", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, Parse(tt.text)) })
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"machine a login b password c", "macdef x\ny\n\nmachine a", "default", "machine\x00 a\nlogin", "login a password b machine"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range Parse(text) {
			for _, s := range []string{m.Machine, m.Login, m.Password} {
				assert.NotEmpty(t, s)
				assert.Contains(t, text, s)
			}
		}
	})
}

func TestFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("NETRC", "")
	assert.Equal(t, filepath.Join(home, ".netrc"), File("", os.Getenv))
	assert.Equal(t, filepath.Join(home, ".netrc"), File("modtap-goauth; netrc", os.Getenv))
	assert.Empty(t, File("off", os.Getenv))
	assert.Empty(t, File("git /home/me", os.Getenv))
	t.Setenv("NETRC", "/elsewhere")
	assert.Equal(t, "/elsewhere", File("netrc", os.Getenv))
}

func TestFind(t *testing.T) {
	entries := Parse("machine a.example login b password c\nmachine a.example/private login d password e\nmachine a.example login x password y")
	for target, want := range map[string]string{
		"a.example": "b", "a.example/": "b", "a.example/x/y": "b", "a.example/private/m": "d", "a.example/privately": "b", "b.example": "",
	} {
		e, ok := Find(entries, target)
		assert.Equal(t, want, e.Login, target)
		assert.Equal(t, want != "", ok, target)
	}
}
