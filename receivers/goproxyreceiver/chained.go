// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"context"
	"errors"
	"net/http"

	"github.com/modtap/modtap/internal/cacheheader"
	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
	"github.com/modtap/modtap/internal/phase"
	"github.com/modtap/modtap/receivers/goproxyreceiver/internal/embedded"
)

// chained answers at the egress: it walks the GOPROXY list as the go command
// does and streams the deciding element's answer.
type chained struct {
	chain      *embedded.Chain
	propagator propagator
	via        string
}

func (r *goproxyReceiver) newChained(ctx context.Context, l *listener) (backend, string, error) {
	c, err := embedded.NewChain(ctx, r.chainSettings())
	if err != nil {
		return nil, "", err
	}
	r.upstreams.chains = append(r.upstreams.chains, c.Hosts)
	r.mayGoRound(c.Upstream.List)
	b := &chained{chain: c, propagator: l.handler.propagator, via: l.handler.via}
	return b, "to " + c.Upstream.List.String() + leftOut(c.Upstream), nil
}

func (b *chained) close() { b.chain.Close() }

// passedOn are the request headers that an element of the list is sent too:
// those of ranges, conditions and content negotiation, and who asks.
var passedOn = []string{
	"Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since",
	"Accept", "Accept-Encoding", "Cache-Control", "User-Agent", "Via", "Disable-Module-Fetch",
}

func (b *chained) serve(w http.ResponseWriter, r *http.Request, x *transfer) (res result) {
	ledger := &chain.Ledger{Inject: injector(r.Context(), x, b.propagator, b.via)}
	var body *movingBody // of the answer that is sent on
	err := b.ask(r, x, ledger, func(a *chain.Answer) error {
		res.cache.Headers = evidence(a.Header)
		trailers := putHeader(w.Header(), a.Response, r.ProtoMajor)
		w.Header().Add("Cache-Status", cacheheader.Mark(b.via, x.begin.Span.SpanID))
		w.WriteHeader(a.StatusCode)
		body = &movingBody{body: a.Body}
		if _, err := stream(w, body, a.ContentLength); err != nil {
			return chain.Stop(err) // part of it is sent: no other element can take its place
		}
		trailers.put(w.Header(), a.Response)
		return nil
	})
	res.attempts = ledger.Take()
	switch {
	case err == nil:
	case body != nil:
		res.disposition, res.word = body.fault(r.Context(), err)
	case r.Context().Err() != nil:
		res.disposition = exchange.ClientGone
	default:
		res.word = b.refuse(w, err)
	}
	return res
}

// ask sends the request into the list.
func (b *chained) ask(r *http.Request, x *transfer, ledger *chain.Ledger, accept func(*chain.Answer) error) error {
	ctx := phase.NewContext(r.Context(), &x.phases)
	asks := chain.Request{Request: x.begin.Request, Ledger: ledger}
	switch {
	case asks.Operation != goproxy.SumDB:
		asks.Method, asks.Header = r.Method, b.header(r)
		return b.chain.Do(ctx, asks, accept)
	case asks.SumDBKind == goproxy.SumDBSupported:
		if _, err := b.chain.SumDBSupported(ctx, asks); err != nil {
			return err
		}
		return accept(&chain.Answer{Response: &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}})
	}
	return b.chain.SumDB(ctx, asks, accept)
}

// header is what of r's is passed on.
func (b *chained) header(r *http.Request) http.Header {
	header := http.Header{"Connection": r.Header["Connection"]}
	for _, name := range passedOn {
		if values := r.Header[name]; values != nil {
			header[name] = values
		}
	}
	removeHopByHop(header)
	return header
}

// refuse answers with what the deciding element said, and returns the word for it where
// no status code says it.
func (b *chained) refuse(w http.ResponseWriter, err error) (word string) {
	e, ok := errors.AsType[*chain.Error](err)
	if !ok {
		refuse(w, http.StatusBadGateway, "the upstream could not be asked")
		return chain.Word(err)
	}
	if e.RetryAfter != "" {
		w.Header().Set("Retry-After", e.RetryAfter)
	}
	if e.Code == 0 {
		word = e.Word
	}
	refuse(w, e.Status(), e.Error())
	return word
}
