// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

type blocked struct{}

func (blocked) Error() string     { return "private" }
func (blocked) ErrorType() string { return exchange.ErrorLeakBlocked }

func TestGuardSendsNothing(t *testing.T) {
	own, public, next := start(t, status(404)), start(t, serveModule), start(t, serveModule)
	redirecting := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, public.URL+r.URL.Path, http.StatusFound)
	})
	guard := func(s *Settings) {
		s.Retry = Retry{Max: 2}
		s.Guard = func(u *url.URL, _ goproxy.Request) (string, error) {
			if "http://"+u.Host == public.URL {
				return "a pattern", blocked{}
			}
			return "", nil
		}
	}
	for _, tt := range []struct {
		name, list string
		attempts   int
	}{
		{"first", "P|N", 1},
		{"after one that may know", "O,P|N|direct", 2},
		{"redirect", "R|N", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := strings.NewReplacer("P", public.URL, "O", own.URL, "N", next.URL, "R", redirecting.URL).Replace(tt.list)
			ledger := new(Ledger)
			var got string
			err := client(t, list, guard).Do(t.Context(), Request{Ledger: ledger, Request: asks(stem + ".mod")}, readAll(&got))
			e := requireError(t, err)
			require.ErrorIs(t, err, fs.ErrNotExist)
			assert.Equal(t, 404, e.Status())
			assert.False(t, e.Confirmed)
			assert.Contains(t, e.Error(), "private")
			attempts := ledger.Take()
			require.Len(t, attempts, tt.attempts)
			last := attempts[tt.attempts-1]
			assert.Equal(t, exchange.ErrorLeakBlocked, last.Error)
			assert.Equal(t, "a pattern", last.Leak)
			assert.Zero(t, last.Status)
			assert.Empty(t, last.Reason, "no other is asked")
			assert.Empty(t, public.paths())
			assert.Empty(t, next.paths())
		})
	}
}
