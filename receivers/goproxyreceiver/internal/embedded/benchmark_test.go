// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

func BenchmarkHit(b *testing.B) {
	p, err := New(b.Context(), Settings{Dir: b.TempDir(), GOPROXY: "off", Env: map[string]string{"GOSUMDB": "off"}})
	require.NoError(b, err)
	defer p.Close()
	require.NoError(b, p.cache.Write(b.Context(), stem+".info", []byte(info)))
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/"+stem+".info", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		a := p.Serve(w, r, Caller{Request: protocol.Parse(r.URL.Path)})
		if w.Code != http.StatusOK || a.Result != exchange.Hit {
			b.Fatal(w.Code, a.Result)
		}
	}
}
