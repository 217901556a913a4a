// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkSend compares a sending that is watched with one that isn't.
func BenchmarkSend(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	b.Cleanup(s.Close)
	transport := New(Settings{})
	b.Cleanup(transport.CloseIdleConnections)
	for name, send := range map[string]func(*http.Request) (*http.Response, error){"net-http": transport.Transport.RoundTrip, "once": transport.Send} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL, http.NoBody)
				if err != nil {
					b.Fatal(err)
				}
				answer, err := send(request)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
}
