// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

func BenchmarkHit(b *testing.B) {
	p, err := New(b.Context(), Settings{Dir: b.TempDir(), GOPROXY: "off", Env: map[string]string{"GOSUMDB": "off"}})
	require.NoError(b, err)
	defer p.Close()
	require.NoError(b, p.cache.Write(b.Context(), stem+".info", []byte(info)))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/"+stem+".info", nil)
	b.ReportAllocs()
	for b.Loop() {
		var a Account
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r.WithContext(NewContext(r.Context(), &a)))
		if w.Code != http.StatusOK || a.Result != exchange.Hit {
			b.Fatal(w.Code, a.Result)
		}
	}
}
