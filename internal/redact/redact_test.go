// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is in every secret of these tests.
const canary = "CANARY7"

// secrets are passwords and tokens with what ends or confuses the parts of a URL.
func secrets() []string {
	var all []string
	for _, c := range []string{"", "/", "?", "#", "@", ":", "%", "%2F", "%40", " ", "\"", "'", "\\", ",", "|", "[", "]", "\t", "ü", "\u202e", ";", "&", "=", "+", "<", "1", "/@v/", "//", "@v/"} {
		all = append(all, canary+c+"x", "8"+c+canary, c+canary, canary+c)
	}
	return all
}

// spellings are URLs that hold secret, as people and servers write them.
func spellings(secret string) []string {
	var all []string
	for _, host := range []string{"host.example", "[2001:db8::1]:80"} {
		for _, scheme := range []string{"http://", "HTTPS://", "grpc://", "//", "", "http:", "://"} {
			for _, path := range []string{"", "/mod/@v/list"} {
				all = append(all, scheme+"us:"+secret+"@"+host+path, scheme+secret+"@"+host+path, scheme+secret+":x-oauth-basic@"+host+path)
			}
		}
	}
	return append(all, "https://host.example/p?sig="+url.QueryEscape(secret), "https://host.example/p#"+url.QueryEscape(secret), "mailto:us:"+secret+"@host")
}

// isSentence tells spellings of which nobody can say where they begin in a text, or
// that they are no file's path: that is why settings go through Address.
func isSentence(spelling string) bool {
	return !strings.Contains(spelling, "://") && (strings.ContainsFunc(spelling, parts) || spelling[0] == '/' && spelling[1] != '/')
}

// keeps reports what of secret is still in text.
func keeps(text, secret string) bool {
	return strings.Contains(text, canary) || strings.Contains(text, secret) && len(secret) > 3
}

func TestAddressKeepsNoSecret(t *testing.T) {
	n := 0
	for _, secret := range secrets() {
		for _, spelling := range spellings(secret) {
			n++
			if got := Address(spelling); keeps(got, secret) {
				t.Fatalf("Address(%q) = %q", spelling, got)
			}
			if u, err := url.Parse(spelling); err == nil {
				if got := URL(u); keeps(got, secret) && u.Hostname() != secret && !strings.Contains(u.Host, canary) {
					t.Fatalf("URL(%q) = %q", spelling, got)
				}
			}
		}
	}
	t.Logf("%d spellings", n)
}

func TestTextKeepsNoSecret(t *testing.T) {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return string(b)
	}
	for _, secret := range secrets() {
		for _, spelling := range spellings(secret) {
			if isSentence(spelling) {
				continue
			}
			asURL := (&url.Error{Op: "Get", URL: spelling, Err: errors.New("refused")}).Error()
			texts := []string{
				spelling,
				strconv.Quote(spelling),
				asURL,
				"exporters::otlp: " + asURL + "; retry in 5s",
				quoted(asURL),
				quoted(quoted(asURL)),
				fmt.Sprintf("%q and %q: no", spelling, spelling),
			}
			if !strings.ContainsAny(secret, " \t\"'<>") {
				texts = append(texts, "lookup "+spelling+": no such host", "("+spelling+")", "https://a.example,"+spelling+"|direct", "to "+spelling+", "+spelling)
			}
			for _, text := range texts {
				if got := Text(text); keeps(got, secret) {
					t.Fatalf("secret %q: Text(%q)\n = %q", secret, text, got)
				}
			}
		}
	}
}

func TestTextKeepsWhatIsNone(t *testing.T) {
	for _, text := range []string{
		`reading https://proxy.example.com/github.com/!burnt!sushi/toml/@v/list: 404 Not Found`,
		`Post "http://127.0.0.1:4318/v1/traces": dial tcp 127.0.0.1:4318: connect: connection refused`,
		`go: github.com/pkg/errors@v0.9.1: verifying module: checksum mismatch`,
		`go: module example.com/a@latest found, but does not contain package`,
		`https://a.example,https://b.example/x|direct`, `egress http://127.0.0.1:8082 (to https://a.example,direct)`, `asking https://a.example|off; then`,
		`ingress::endpoint (MODTAP_LISTEN): "nonsense" isn't an address to listen on; write HOST:PORT, 127.0.0.1:8081 for one`,
		`MODTAP_JAEGER: "grpc://h" isn't grpc://HOST:PORT; write http://HOST:4318 (OTLP/HTTP) or grpc://HOST:4317 (OTLP/gRPC)`,
		`modtap-goauth: "proxy.example" is no https:// URL`,
		`MODTAP_DATA: /root/.cache/modtap is in use by another modtap (process 12)`,
		`[::1]:8081`, `{"@timestamp":"2026-11-22T13:32:23Z"}`, `invalid token: unexpected end`, `no password: set one`,
		`http://127.0.0.1:8081`, `file:///srv/proxy`, `token expired`, "mkdir /home/alice@corp.example/.cache: permission denied", `Basic authorization is missing`,
		`http://[2001:db8::1]:80/x: EOF`, "a\nhttps://b.example/c\nd",
		`write https://HOST:9200, or http://HOST:9200`,
	} {
		assert.Equal(t, text, Text(text))
	}
}

func TestTextOfOtherSecrets(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("us:" + canary))
	for _, tt := range []struct{ text, want string }{
		{"Authorization: Basic " + basic, "Authorization: (secret)"},
		{"got Basic " + basic + ", want none", "got Basic (secret), want none"},
		{"authorization: bearer abc" + canary, "authorization: (secret)"},
		{"map[Authorization:[Bearer " + canary + "]]", "map[Authorization:[(secret)]]"},
		{`{"headers":{"Authorization":"Bearer ` + canary + `"}}`, `{"headers":{"Authorization":"(secret)"}}`},
		{`{\"access_token\":\"` + canary + `\"}`, `{\"access_token\":\"(secret)\"}`},
		{"POST access_token=" + canary + "&x=1", "POST access_token=(secret)&x=1"},
		{"X-Amz-Signature=" + canary + " expired", "X-Amz-Signature=(secret) expired"},
		{"remote: ghp_" + canary + "abcdef was revoked", "remote: (secret) was revoked"},
		{"next=http%3A%2F%2Fus%3A" + canary + "%40host", "next=(URL)"},
		{`parse "http://us:` + canary + `/x@host": invalid port ":` + canary + `" after host`, `parse "(URL)": invalid port "(secret)" after host`},
		{`http:\/\/us:` + canary + `@host\/x`, "(URL)"},
		{"invalid user: us:" + canary + "@host:80", "invalid user: (URL)"},
	} {
		assert.Equal(t, tt.want, Text(tt.text))
	}
}

func TestURL(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"https://us:pw@Host.example:8443/a%2Fb/@v/list?x=1#y", "https://Host.example:8443/a%2Fb/@v/list"},
		{"HTTP://h", "http://h"},
		{"https://h/m%20a/@v/list%3Ftoken=x", "https://h/m%20a/@v/list"},
		{"file:///srv/proxy", "file:///srv/proxy"},
		{"//h/x", "//h/x"},
		{"mailto:a@b", Placeholder},
		{"https://h/us:p/w@x", Placeholder},
		{"https://ho,st/", Placeholder},
	} {
		u, err := url.Parse(tt.text)
		require.NoError(t, err)
		assert.Equal(t, tt.want, URL(u), tt.text)
	}
	assert.Empty(t, URL(nil))
	for text, want := range map[string]string{
		"127.0.0.1:8081": "127.0.0.1:8081", ":80": ":80", "embedded": "embedded", "": "", "host.example:80/x": "host.example:80/x",
		"a b": "a b", "us:pw@h": Placeholder, "h?sig=x": Placeholder, "http://[fe80::1%25eth0]:80/": "http://[fe80::1%25eth0]:80/",
	} {
		assert.Equal(t, want, Address(text), text)
	}
}

func TestError(t *testing.T) {
	require.NoError(t, Error(nil))
	err := Error(fmt.Errorf("open http://us:%s@host/: %w", canary, fs.ErrNotExist))
	require.EqualError(t, err, "open http://host/: file does not exist")
	require.ErrorIs(t, err, fs.ErrNotExist)
	plain := errors.New("plain")
	assert.Same(t, plain, Error(plain))
}

func TestPath(t *testing.T) {
	for path, want := range map[string]string{
		"/github.com/!burnt!sushi/toml/@v/v1.0.0.zip":       "/github.com/!burnt!sushi/toml/@v/v1.0.0.zip",
		"/example.com/a@v1.2.3/@v/list":                     "/example.com/a@v1.2.3/@v/list",
		"/http://us:" + canary + "@host/x":                  "/http://host/x",
		"/us:" + canary + "@host/x":                         Placeholder,
		"/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0": "/sumdb/sum.golang.org/lookup/example.com/m@v1.0.0",
		"/example.com/@latest":                              "/example.com/@latest",
		"/example.com/m/@v/list?token=" + canary:            "/example.com/m/@v/list",
		"/example.com/m/@v/list#" + canary:                  "/example.com/m/@v/list",
		"/http://us:a?" + canary + "@host/x":                "/" + Placeholder,
	} {
		assert.Equal(t, want, Path(path))
	}
}

func TestIsToken(t *testing.T) {
	for name, want := range map[string]bool{
		"alice": false, "gitlab-ci-token": false, "x-access-token": false, "oauth2": false, "renovate-bot-production": false, "": false,
		"alice.bob@corp.example": false, "build-agent-17.eu-west": false,
		"ghp_abcdefghijklmnop": true, "glpat-xxxxxxxxxxxxxxxxxxxx": true, "3f2a9c81b77d4e0aa1b2c3d4e5f60718": true,
	} {
		assert.Equal(t, want, IsToken(name), name)
	}
}

func FuzzText(f *testing.F) {
	for _, secret := range secrets() {
		f.Add(secret, "Get ")
	}
	f.Fuzz(func(t *testing.T, secret, around string) {
		if strings.Contains(secret, "://") || strings.ContainsAny(secret, "\r\n") || strings.ContainsAny(around, "\r\n\"'`") {
			return
		}
		secret += canary
		_ = Text(secret) // No panic, whatever it is.
		for _, spelling := range spellings(secret) {
			if got := Text(around + strconv.Quote(spelling)); strings.Contains(got, canary) && !isSentence(spelling) {
				t.Fatalf("Text(%q) = %q", around+strconv.Quote(spelling), got)
			}
			if got := Address(spelling); strings.Contains(got, canary) {
				t.Fatalf("Address(%q) = %q", spelling, got)
			}
		}
	})
}
