// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"strconv"
	"time"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
)

// members are what Cache-Status says for each result (RFC 9211, section 2): by
// then it is known what the cache did.
var members = map[exchange.CacheResult]string{
	exchange.Hit:       "modtap; hit",
	exchange.Miss:      "modtap; fwd=uri-miss; stored",
	exchange.Coalesced: "modtap; fwd=uri-miss; collapsed",
	exchange.Bypass:    "modtap; fwd=request",
}

// tellCacheStatus adds our member to the answer that follows, which is served
// from f, or from no file of ours if that is nil. A list that was asked again after its TTL was stale, not missing.
func (p *Proxy) tellCacheStatus(w http.ResponseWriter, a *Account, f *modcache.File) {
	member := members[a.Result]
	switch {
	case a.Result == exchange.Stale: // its freshness ended that many seconds ago
		left := min(p.listTTL-time.Since(f.ModTime()), -time.Second)
		member = "modtap; hit; ttl=" + strconv.FormatInt(int64(left/time.Second), 10)
	case a.MissReason == missExpired:
		member = "modtap; fwd=stale; stored"
	}
	if member != "" {
		w.Header().Add("Cache-Status", member)
	}
}
