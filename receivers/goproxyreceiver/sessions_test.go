// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/tap/instance"
)

// sessions stops the receiver and returns the sessions' spans.
func (r *running) sessions(t testing.TB) (all []ptrace.Span) {
	t.Helper()
	r.stop(t)
	for _, td := range r.traces.AllTraces() {
		for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			if s.Name() == "go build session" {
				all = append(all, s)
			}
		}
	}
	return all
}

func basic(userinfo string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

func TestRequestsOfOneClientAreOneTrace(t *testing.T) {
	r := startReceiver(t, testConfig(t, rawOrigin(t, plain).url))
	for range 3 {
		ask(t, r.url, get(zip))
	}
	ask(t, r.url, get("/healthz"))
	all := r.exchanges(t)
	require.Len(t, all, 4)
	roots := r.sessions(t)
	require.Len(t, roots, 1, "a probe is no build")
	root := roots[0]
	assert.Equal(t, ptrace.SpanKindInternal, root.Kind())
	assert.True(t, root.ParentSpanID().IsEmpty())
	for _, x := range all[:3] {
		assert.Equal(t, root.TraceID(), x.server.TraceID())
		assert.Equal(t, root.SpanID(), x.server.ParentSpanID())
		assert.Equal(t, root.TraceID().String(), x.log["goproxy.session.id"])
		assert.Equal(t, true, x.log["goproxy.session.inferred"])
		assert.GreaterOrEqual(t, x.server.StartTimestamp(), root.StartTimestamp())
		assert.LessOrEqual(t, x.server.EndTimestamp(), root.EndTimestamp())
	}
	assert.NotEqual(t, root.TraceID(), all[3].server.TraceID())
	assert.NotContains(t, all[3].log, "goproxy.session.id")
	attrs := root.Attributes().AsRaw()
	assert.Equal(t, int64(3), attrs["goproxy.session.requests"])
	assert.Equal(t, int64(15), attrs["goproxy.session.transferred"])
	assert.Equal(t, "127.0.0.1", attrs["client.address"])
}

func TestIdentitiesAreSessionsOfTheirOwn(t *testing.T) {
	cfg := testConfig(t, rawOrigin(t, plain).url)
	cfg.ClientIdentity = instance.IdentityFull
	r := startReceiver(t, cfg)
	for _, line := range []string{basic("ann:secret-word"), basic("bob:secret-word"), basic("ann:another"), "X-Nothing: 1", basic("token-word:")} {
		ask(t, r.url, get(zip, line))
	}
	names := map[any]int64{}
	for _, s := range r.sessions(t) {
		attrs := s.Attributes().AsRaw()
		name := attrs["user.name"]
		if text, _ := name.(string); len(text) == 16 {
			name = "hash"
		}
		names[name] = attrs["goproxy.session.requests"].(int64)
	}
	assert.Equal(t, map[any]int64{"ann": 2, "bob": 1, "hash": 1, nil: 1}, names)
	assert.NotContains(t, r.json(t), "secret-word")
	assert.NotContains(t, r.json(t), "token-word", "a user without a password is a secret")
	assert.Equal(t, "ann", r.exchanges(t)[0].log["user.name"])
}

func TestMarkedTraceContext(t *testing.T) {
	r := startReceiver(t, testConfig(t, rawOrigin(t, plain).url))
	parent := "Traceparent: 00-" + traceID + "-" + spanID + "-01"
	for range 2 {
		ask(t, r.url, get(zip, parent, "Tracestate: modtap=root", "Modtap-Ci-System: gitlab", "Modtap-Ci-Job: build \xff", "Modtap-Ci-Pipeline-Url: https://ci.example/1"))
	}
	ask(t, r.url, get(zip, "Traceparent: 00-aaaa651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate: vendor=1"))
	roots := r.sessions(t)
	require.Len(t, roots, 1, "a foreign parent is told by somebody else")
	assert.Equal(t, traceID, roots[0].TraceID().String())
	assert.Equal(t, spanID, roots[0].SpanID().String())
	assert.Equal(t, pcommon.SpanID{}, roots[0].ParentSpanID())
	attrs := roots[0].Attributes().AsRaw()
	assert.Equal(t, int64(2), attrs["goproxy.session.requests"])
	assert.Equal(t, false, attrs["goproxy.session.inferred"])
	assert.Equal(t, "gitlab", attrs["goproxy.ci.system"])
	assert.Equal(t, "build \uFFFD", attrs["cicd.pipeline.task.name"])
	assert.Equal(t, "https://ci.example/1", attrs["cicd.pipeline.run.url.full"])
	log := r.exchanges(t)[0].log
	assert.Equal(t, "gitlab", log["goproxy.ci.system"])
	assert.Equal(t, false, log["goproxy.session.inferred"])
}

func TestClientName(t *testing.T) {
	certificate := func(names ...string) *tls.ConnectionState {
		s := &tls.ConnectionState{}
		for _, name := range names {
			s.VerifiedChains = append(s.VerifiedChains, []*x509.Certificate{{Subject: pkix.Name{CommonName: name}}})
		}
		return s
	}
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const user = "Basic YW5uOnNlY3JldA==" // ann:secret
	clients := instance.NewClients("", nil)
	hash := func(name string) string { return clients.Exported(&instance.Client{Name: name, Secret: true}).Name }
	users := identifier{users: true}
	authorization := func(userinfo string) http.Header {
		return header("Authorization", basic(userinfo)[len("Authorization: "):])
	}
	for _, c := range []struct {
		name   string
		set    identifier
		header http.Header
		tls    *tls.ConnectionState
		want   string
	}{
		{"nobody", identifier{}, header(), nil, ""},
		{"Basic", users, header("Authorization", user), nil, "ann"},
		{"case 14: Basic, not asked for", identifier{}, header("Authorization", user), nil, hash("ann")},
		{"Bearer", identifier{}, header("Authorization", "Bearer YW5uOnB3"), nil, ""},
		{"malformed", identifier{}, header("Authorization", "Basic ann:pw"), nil, ""},
		{"case 14: token as user", users, authorization("token:"), nil, hash("token")},
		{"case 14: token as user, GitHub's way", users, authorization("token:x-oauth-basic"), nil, hash("token")},
		{"case 14: token as user, a letter for a password", users, authorization("TOKEN:x"), nil, hash("TOKEN")},
		{"case 14: user with a token's form", users, authorization("ghp_0123456789abcdef:a password"), nil, hash("ghp_0123456789abcdef")},
		{"case 14: random user", users, authorization("3f2a9c81b77d4e0aa1b2c3d4:a password"), nil, hash("3f2a9c81b77d4e0aa1b2c3d4")},
		{"case 14: token as password", users, authorization("gitlab-ci-token:glpat-0123456789"), nil, "gitlab-ci-token"},
		{"case 14: token in the configured header", identifier{header: "X-Client"}, header("X-Client", "glpat-0123456789"), nil, hash("glpat-0123456789")},
		{"certificate", identifier{}, header("Authorization", user), certificate("ci-7"), "ci-7"},
		{"certificate nobody verified", identifier{}, header(), certificate(), ""},
		{"header that isn't configured", identifier{}, header("X-Client", "eve"), nil, ""},
		{"header", identifier{header: "X-Client"}, header("X-Client", "bot", "Authorization", user), certificate("ci-7"), "bot"},
		{"header that wasn't sent", identifier{header: "X-Client", users: true}, header("Authorization", user), nil, "ann"},
		{"none", identifier{clients: instance.NewClients(instance.IdentityNone, nil)}, header("Authorization", user), nil, ""},
		{"hash", identifier{clients: instance.NewClients(instance.IdentityHash, []byte("key"))}, header("Authorization", user), nil, "9d77c3180ff81edf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, zip, http.NoBody)
			r.Header, r.TLS = c.header, c.tls
			if c.set.clients == nil {
				c.set.clients = clients
			}
			who, key, _ := c.set.client(r)
			client := c.set.clients.Exported(&who)
			assert.Equal(t, c.want, client.Name)
			if c.name == "none" {
				assert.Equal(t, exchange.Client{}, client)
				assert.Equal(t, "ann", key.Identity, "sessions are told apart all the same")
				assert.True(t, key.Address.IsValid())
			}
		})
	}
}
