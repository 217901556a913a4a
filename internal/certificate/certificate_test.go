// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configtls"
	"go.uber.org/zap"
)

// pemPair is a self-signed certificate with its key; the certificate is there twice, as a chain would be.
func pemPair(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	text, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return bytes.Repeat(block, 2), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})
}

// TestCertificateRenewal: the two files in every pair of states that a renewal can pass through, or end in. The last good pair
// is shown, and the fault is known exactly as long as the files make no pair.
func TestCertificateRenewal(t *testing.T) {
	const reload = time.Minute
	certificates, keys := map[string][]byte{}, map[string][]byte{}
	certificates["A"], keys["A"] = pemPair(t, "a.example")
	certificates["B"], keys["B"] = pemPair(t, "b.example")
	for state, of := range map[string]func([]byte) []byte{
		"empty": func([]byte) []byte { return []byte{} },
		"cut":   func(text []byte) []byte { return text[:len(text)-40] }, // of the certificate, amid the second of its chain
		"junk":  func([]byte) []byte { return []byte("not PEM\n") },
		"away":  func([]byte) []byte { return nil },
	} {
		certificates[state], keys[state] = of(certificates["B"]), of(keys["B"])
	}
	certificates["key"], keys["certificate"] = keys["B"], certificates["B"]
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cfg := configtls.NewDefaultServerConfig()
		cfg.CertFile, cfg.KeyFile, cfg.ReloadInterval = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), reload
		put := func(path string, text []byte) {
			if text == nil {
				require.NoError(t, os.RemoveAll(path))
				return
			}
			require.NoError(t, os.WriteFile(path, text, 0o600))
		}
		put(cfg.CertFile, certificates["A"])
		put(cfg.KeyFile, keys["A"])
		var mu sync.Mutex
		var fault error
		c, config, err := New(t.Context(), &cfg, zap.NewNop(), func(err error) {
			mu.Lock()
			defer mu.Unlock()
			fault = err
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { c.Watch(ctx) })
		shown := func() string {
			pair, err := config.GetCertificate(&tls.ClientHelloInfo{})
			require.NoError(t, err)
			return pair.Leaf.Subject.CommonName
		}
		good := "a.example"
		for certificate, text := range certificates {
			for key := range keys {
				put(cfg.CertFile, text)
				put(cfg.KeyFile, keys[key])
				time.Sleep(reload + time.Second)
				synctest.Wait()
				whole := certificate == key && len(certificate) == 1
				if whole {
					good = map[string]string{"A": "a.example", "B": "b.example"}[certificate]
				}
				mu.Lock()
				assert.Equal(t, whole, fault == nil, "case 37: certificate %s, key %s: %v", certificate, key, fault)
				mu.Unlock()
				assert.Equal(t, good, shown(), "case 37: certificate %s, key %s", certificate, key)
			}
		}
		// A renewal that is completed is seen soon, not after reload_interval.
		put(cfg.CertFile, certificates["B"])
		put(cfg.KeyFile, keys["A"])
		time.Sleep(reload + time.Second)
		put(cfg.KeyFile, keys["B"])
		time.Sleep(recheck + time.Second)
		synctest.Wait()
		require.NoError(t, fault)
		assert.Equal(t, "b.example", shown())
		cancel()
		watching.Wait()
	})
}

// TestCertificateHandshakes: a listener between the two writes of a renewal, with a client authority that is read again too.
func TestCertificateHandshakes(t *testing.T) {
	dir := t.TempDir()
	certificate, key := pemPair(t, "a.example")
	next, nextKey := pemPair(t, "b.example")
	cfg := configtls.NewDefaultServerConfig()
	cfg.CertFile, cfg.KeyFile, cfg.ReloadInterval = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), 20*time.Millisecond
	cfg.ClientCAFile, cfg.ReloadClientCAFile = cfg.CertFile+".ca", true
	for path, text := range map[string][]byte{cfg.CertFile: certificate, cfg.KeyFile: key, cfg.ClientCAFile: certificate} {
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	faults := make(chan error, 100)
	c, config, err := New(t.Context(), &cfg, zap.NewNop(), func(err error) { faults <- err })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { c.Watch(ctx) })
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	require.NoError(t, err)
	defer l.Close()
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // the client says what it got
			conn.Close()
		}
	})
	own, err := tls.X509KeyPair(certificate, key)
	require.NoError(t, err)
	shown := func() string {
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}}).DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	assert.Equal(t, "a.example", shown())
	require.NoError(t, os.WriteFile(cfg.CertFile, next, 0o600))
	require.ErrorContains(t, <-faults, "private key does not match")
	assert.Equal(t, "a.example", shown(), "case 37: between the two writes")
	require.NoError(t, os.WriteFile(cfg.KeyFile, nextKey, 0o600))
	for err := range faults {
		if err == nil {
			break
		}
	}
	assert.Equal(t, "b.example", shown())
}
