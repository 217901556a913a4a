// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package chain

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// forge is a host of git repositories with the real git behind it. Every host name
// below .test is one of its own, whose first label says how it fails.
type forge struct {
	dir   string // Of the repositories.
	fails map[string]forgeFault
	gits  http.Handler

	mu    sync.Mutex
	conns []net.Conn
}

// forgeFault answers in place of the forge. It returns false where it doesn't.
type forgeFault func(w http.ResponseWriter, r *http.Request) bool

func gitOutput(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@a.test")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %q: %s", args, out)
	return strings.TrimSpace(string(out))
}

// newRepository makes one that has v1.0.0, and v1.1.0 which needs a Go of the far
// future.
func newRepository(t testing.TB, dir, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	gitOutput(t, dir, "init", "-q", "-b", "main")
	commitVersion(t, dir, path, "v1.0.0", "1.20")
	commitVersion(t, dir, path, "v1.1.0", "1.999")
}

func commitVersion(t testing.TB, dir, path, version, goVersion string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), fmt.Appendf(nil, "module %s\n\ngo %s\n", path, goVersion), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "m.go"), []byte("package m\n\nconst Version = \""+version+"\"\n"), 0o600))
	gitOutput(t, dir, "add", ".")
	gitOutput(t, dir, "commit", "-q", "-m", version)
	gitOutput(t, dir, "tag", version)
}

// startForge starts the forge, and has the children of this process find it by HTTPS
// through an HTTP proxy that knows every name below .test.
func startForge(t *testing.T, fails map[string]forgeFault) {
	t.Helper()
	f := &forge{dir: t.TempDir(), fails: fails}
	names := []string{"ok.test"}
	newRepository(t, filepath.Join(f.dir, "ok", "m.git"), "ok.test/m")
	for host := range fails {
		names = append(names, host+".test")
		require.NoError(t, os.Symlink("ok", filepath.Join(f.dir, host)))
	}
	f.gits = &cgi.Handler{
		Path: filepath.Join(gitOutput(t, "", "--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + f.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	pair, ca := forgeCertificate(t, names)
	secure := httptest.NewUnstartedServer(f)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	secure.Config.ErrorLog = discardLog
	secure.StartTLS()
	plain := httptest.NewServer(f)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := secure.Listener.Addr().String()
		switch host, _, _ := strings.Cut(r.Host, "."); host {
		case "plain":
			to = plain.Listener.Addr().String()
		case "proxied":
			http.Error(w, "no way through", http.StatusServiceUnavailable)
			return
		}
		f.tunnel(w, to)
	}))
	t.Cleanup(func() {
		f.mu.Lock()
		for _, c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		for _, s := range []*httptest.Server{proxy, secure, plain} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	for name, value := range map[string]string{
		"HTTPS_PROXY": proxy.URL, "https_proxy": proxy.URL, "NO_PROXY": ".invalid,127.0.0.1", "no_proxy": ".invalid,127.0.0.1",
		"SSL_CERT_FILE": ca, "GIT_SSL_CAINFO": ca, "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": t.TempDir(), "GOFLAGS": "", "GOENV": "off",
	} {
		t.Setenv(name, value)
	}
}

func (f *forge) tunnel(w http.ResponseWriter, to string) {
	there, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, early, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	f.mu.Lock()
	f.conns = append(f.conns, here, there)
	f.mu.Unlock()
	go func() {
		_, _ = io.Copy(there, early)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// ServeHTTP implements [http.Handler].
func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ".")
	if fault := f.fails[host]; fault != nil && fault(w, r) {
		return
	}
	if r.URL.Query().Get("go-get") == "1" {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch name {
		case "m":
			fmt.Fprintf(w, `<html><head><meta name="go-import" content="%[1]s/m git https://%[1]s/m.git"></head></html>`, r.Host)
		case "norepo":
			fmt.Fprintf(w, `<html><head><meta name="go-import" content="%[1]s/norepo git https://%[1]s/norepo.git"></head></html>`, r.Host)
		case "nometa":
			fmt.Fprint(w, "<html><body>Nothing of Go here</body></html>")
		default:
			http.NotFound(w, r)
		}
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/m.git/") {
		http.NotFound(w, r)
		return
	}
	r.URL.Path = "/" + host + strings.Replace(r.URL.Path, "/m.git/", "/m.git/.git/", 1)
	f.gits.ServeHTTP(w, r)
}

// forgeCertificate makes one for the hosts.
func forgeCertificate(t *testing.T, hosts []string) (pair tls.Certificate, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: hosts, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca
}

// openDirect returns a client that has nothing but version control.
func openDirect(t *testing.T, timeout time.Duration) *Client {
	t.Helper()
	d := NewGoDirect(DirectSettings{Patterns: "*", Private: "127.0.0.1", ModCache: t.TempDir(), TempDir: t.TempDir(), Timeout: timeout})
	d.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	return client(t, "direct", func(s *Settings) { s.Direct = d })
}
