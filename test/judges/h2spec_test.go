// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package judges

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// target is a file of the protocol, as the origin has it.
const target = "/example.com/m/@v/v1.0.0.mod"

// leftOpen are cases that Modtap may fail though Go's own server passes them: their request is left open, and Modtap answers it before what
// comes next, as a module proxy's request has no body. RFC 9113 allows that, also to what turns out to be malformed (8.1, 8.1.1). Which frame comes
// first is a race; measured, on a busy machine, is how often h2spec lost it.
var leftOpen = []string{
	"http2/6.9.1/3",   // 6 of 66: a window that overflows on a stream that is answered
	"http2/8.1.2.6/1", // 1 of 6: less DATA than content-length says, behind the 400
	"http2/8.1.2.6/2", // 2 of 6: the same in several frames
}

// TestH2spec holds Modtap's HTTP/2 listener against Go's own server, case by case.
func TestH2spec(t *testing.T) {
	program := backends.H2spec(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "module example.com/m\n")
	}))
	t.Cleanup(origin.Close)
	upstream, err := url.Parse(origin.URL)
	require.NoError(t, err)
	silent := log.New(io.Discard, "", 0) // there is much to say about what h2spec sends
	control := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) }, ErrorLog: silent})
	control.EnableHTTP2 = true
	control.Config.ErrorLog = silent
	control.StartTLS()
	t.Cleanup(control.Close)

	certificate, key := writeCertificate(t)
	m := startModtap(t, "MODTAP_UPSTREAM="+origin.URL, "MODTAP_TLS_CERT="+certificate, "MODTAP_TLS_KEY="+key)

	goes := judge(t, program, control.URL, "2")
	ours := judge(t, program, m.places["proxy"], "2")

	t.Logf("\nh2spec | cases | passed\nModtap | %d | %d\nGo's server with httputil.ReverseProxy | %d | %d", len(ours), ours.passed(), len(goes), goes.passed())
	assert.Greater(t, len(goes), 140)
	assert.Len(t, ours, len(goes))
	for _, name := range slices.Sorted(maps.Keys(goes)) {
		switch {
		case ours[name] == "":
		case goes[name] != "":
			t.Logf("both fail %s", name)
		case slices.Contains(leftOpen, id(name)):
			t.Logf("answered before its end: %s", name)
		default: // a case that waits for an answer may miss it on a busy machine
			assert.Empty(t, judge(t, program, m.places["proxy"], "10", section(name))[name], "%s: Go's own server passes", name)
		}
	}
}

// report is h2spec's, in JUnit's form.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Class   string `xml:"classname,attr"`
			Failure string `xml:"failure"`
			Error   string `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// verdicts are h2spec's cases and why they failed; empty: passed.
type verdicts map[string]string

func (v verdicts) passed() (n int) {
	for _, fault := range v {
		if fault == "" {
			n++
		}
	}
	return n
}

// id is a case's section and number.
func id(name string) string {
	id, _, _ := strings.Cut(name, ": ")
	return id
}

// section is that of a case, as h2spec takes it for an argument.
func section(name string) string {
	id := id(name)
	return id[:strings.LastIndexByte(id, '/')]
}

// judge runs h2spec, or some of its sections, against a server; seconds is how long a case waits for an answer.
func judge(t *testing.T, program, server, seconds string, sections ...string) verdicts {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "report.xml")
	args := append([]string{"--tls", "--insecure", "--host", u.Hostname(), "--port", u.Port(), "--path", target, "--timeout", seconds, "--junit-report", file}, sections...)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.WaitDelay = time.Second
	out, failures := cmd.CombinedOutput() // its status tells whether all passed
	text, err := os.ReadFile(file)
	require.NoError(t, err, "%v:\n%s", failures, out)
	var r report
	require.NoError(t, xml.Unmarshal(text, &r))
	found := verdicts{}
	for _, suite := range r.Suites {
		for i, c := range suite.Cases {
			found[fmt.Sprintf("%s/%d: %s", suite.Package, i+1, c.Class)] = strings.TrimSpace(c.Failure + c.Error)
		}
	}
	return found
}

// writeCertificate writes a certificate that signs itself, and its key.
func writeCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return certificate, key
}
