// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/goproxy/spelltest"
)

const secret = "github.com/MyCorp/secret"

// requireGuarded: whatever tells of the secret is found, and sent to nobody.
func requireGuarded(t *testing.T, d *Detector, target string) {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil || target[0] != '/' {
		return // No server takes it.
	}
	s := Sent{Host: "proxy.example", Target: target}
	if r := goproxy.Parse(u.Path); r.Plain(target, u.Path) {
		s.Request = r
	}
	found, err := Guard{Detector: d, Block: true}.Judge(s)
	if spelltest.Tells(target, secret) {
		require.Error(t, err, "%q", target)
		require.NotEmpty(t, found, "report finds what block blocks: %q", target)
	}
	if err == nil {
		require.NotEqual(t, goproxy.Other, s.Request.Operation, "only the protocol goes to the public: %q", target)
	}
	if r := goproxy.Parse(u.Path); r.Operation != goproxy.Other { // As the egress asks for it.
		file := "/" + r.File()
		r.Prefix = ""
		if _, err := (Guard{Detector: d, Block: true}).Judge(Sent{Host: "proxy.example", Request: r}); err == nil {
			require.False(t, spelltest.Tells(file, secret), "%q", file)
		}
	}
	own := s
	own.Host = "127.0.0.1"
	if _, err := (Guard{Detector: d, Block: true}).Judge(own); spelltest.Tells(target, "sumdb/sum.golang.org/lookup/"+secret) {
		require.Error(t, err, "a lookup goes on to the database: %q", target)
	}
	reported, err := Guard{Detector: d}.Judge(s)
	require.NoError(t, err)
	require.Equal(t, found, reported)
}

func TestEverySpellingIsGuarded(t *testing.T) {
	d, err := New("github.com/MyCorp")
	require.NoError(t, err)
	t.Run("case 3: generated spellings", func(t *testing.T) {
		speller, told := spelltest.New(7), 0
		for range 10_000 {
			target := speller.Module(secret)
			if spelltest.Tells(target, secret) {
				told++
			}
			requireGuarded(t, d, target)
		}
		require.Greater(t, told, 5_000, "most spellings tell of the secret")
	})
}

func FuzzGuard(f *testing.F) {
	speller := spelltest.New(9)
	for range 100 {
		f.Add(speller.Module(secret))
		f.Add(speller.Upward())
	}
	f.Add("/public.example/m/@v/v1.0.0.info")
	f.Add("/githuB.Com;0/MYCORP/seCret") // Found by fuzzing: blocked, but not reported.
	f.Add("/sumdb;a/sum.golang.org%3bb/lookup\\github.com;c/mycorp;d?e/secret")
	d, err := New("github.com/MyCorp")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, target string) {
		if target != "" && len(target) < 300 {
			requireGuarded(t, d, target)
		}
	})
}
