// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"net/http"
	"strconv"
	"time"

	"github.com/modtap/modtap/internal/exchange"
)

// members are what Cache-Status says for each result (RFC 9211, section 2): by
// then it is known what the cache did.
var members = map[exchange.CacheResult]string{
	exchange.Hit:       "modtap; hit",
	exchange.Miss:      "modtap; fwd=uri-miss; stored",
	exchange.Coalesced: "modtap; fwd=uri-miss; collapsed",
	exchange.Bypass:    "modtap; fwd=request",
}

// tellCacheStatus adds our member to the answer that follows, which was stored at
// stored, if that matters. A list that was asked again after its TTL was stale, not missing.
func (p *Proxy) tellCacheStatus(w http.ResponseWriter, v *visit, stored time.Time) {
	member := members[v.Result]
	switch {
	case v.Result == exchange.Stale: // its freshness ended that many seconds ago
		left := min(p.listTTL-time.Since(stored), -time.Second)
		member = "modtap; hit; ttl=" + strconv.FormatInt(int64(left/time.Second), 10)
	case v.MissReason == exchange.MissExpired:
		member = "modtap; fwd=stale; stored"
	}
	if member != "" {
		w.Header().Add("Cache-Status", member)
	}
}
