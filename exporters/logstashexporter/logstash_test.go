// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package logstashexporter

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	v2 "github.com/elastic/go-lumber/server/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/test/port"
)

func numbers(first, last int) []string {
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

func once(ids []string) map[string]int {
	times := make(map[string]int)
	for _, id := range ids {
		times[id]++
	}
	return times
}

func TestDocumentsArrive(t *testing.T) {
	for _, level := range []int{0, 3, 9} {
		l := startLogstash(t, "127.0.0.1:0", always)
		cfg := direct(l.address)
		cfg.CompressionLevel, cfg.WindowSize = level, 4
		logs := started(t, cfg, newHost())
		require.NoError(t, logs.ConsumeLogs(t.Context(), plog.NewLogs()))
		require.NoError(t, logs.ConsumeLogs(t.Context(), records(numbers(1, 10)...)))
		require.NoError(t, logs.ConsumeLogs(t.Context(), records("11")))
		assert.Equal(t, [][]string{numbers(1, 4), numbers(5, 8), numbers(9, 10), {"11"}}, l.received())
	}
}

func TestTLS(t *testing.T) {
	// Of httptest only the certificate is used, which is for 127.0.0.1 and example.com.
	web := httptest.NewTLSServer(nil)
	certificate := web.TLS.Certificates[0]
	web.Close()
	l := serveLogstash(t, tlsListener(t, certificate), always)

	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	secure := func(change func(*configtls.ClientConfig)) *Config {
		cfg := direct(l.address)
		client := configtls.NewDefaultClientConfig()
		change(&client)
		cfg.TLS = configoptional.Some(client)
		return cfg
	}

	logs := started(t, secure(func(client *configtls.ClientConfig) { client.CAFile = authority }), newHost())
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1", "2")))
	assert.Equal(t, [][]string{{"1", "2"}}, l.received())

	err := started(t, secure(func(*configtls.ClientConfig) {}), newHost()).ConsumeLogs(t.Context(), records("3"))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	assert.False(t, consumererror.IsPermanent(err))

	err = started(t, secure(func(client *configtls.ClientConfig) {
		client.CAFile, client.ServerName = authority, "other.example.org"
	}), newHost()).ConsumeLogs(t.Context(), records("3"))
	var other x509.HostnameError
	require.ErrorAs(t, err, &other)
	assert.Len(t, l.received(), 1)
}

func TestAFaultOfTLSStopsTheStart(t *testing.T) {
	cfg := direct("localhost:5044")
	client := configtls.NewDefaultClientConfig()
	client.CAFile = "testdata/none.pem"
	cfg.TLS = configoptional.Some(client)
	logs, err := NewFactory().CreateLogs(t.Context(), settings(), cfg)
	require.NoError(t, err)
	err = logs.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, "exporters::logstash/test::tls: ")
	require.ErrorContains(t, err, "testdata/none.pem")
	assert.NoError(t, logs.Shutdown(t.Context()))
}

func TestAServerKilledAmidAWindow(t *testing.T) {
	amid := make(chan struct{})
	first := startLogstash(t, port.Address(t), func(window int) bool {
		if window == 2 {
			close(amid)
		}
		return window < 2
	})
	cfg := retrying(first.address)
	cfg.WindowSize = 10
	host := newHost()
	logs := started(t, cfg, host)
	sent := make(chan error, 1)
	go func() { sent <- logs.ConsumeLogs(t.Context(), records(numbers(1, 50)...)) }()
	<-amid
	first.kill()
	require.Eventually(t, func() bool { return len(host.reported()) == 1 }, time.Minute, time.Millisecond)
	second := startLogstash(t, first.address, always)
	require.NoError(t, <-sent)

	assert.Equal(t, once(numbers(1, 20)), first.stored)
	assert.Equal(t, once(numbers(21, 50)), second.stored, "only what wasn't acknowledged is sent again")
	assert.Equal(t, []componentstatus.Status{componentstatus.StatusRecoverableError, componentstatus.StatusOK}, host.reported())
}

func TestAServerThatIsDownAtTheStart(t *testing.T) {
	address := port.Address(t)
	logs := started(t, direct(address), newHost())
	for range 2 {
		err := logs.ConsumeLogs(t.Context(), records("1"))
		require.ErrorContains(t, err, "connection refused")
		require.False(t, consumererror.IsPermanent(err))
	}
	l := startLogstash(t, address, always)
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	assert.Equal(t, [][]string{{"1"}}, l.received())
}

func TestAServerThatHangs(t *testing.T) {
	l := startLogstash(t, "127.0.0.1:0", func(int) bool { return false }, v2.Keepalive(0))
	cfg := direct(l.address)
	cfg.Timeout = 50 * time.Millisecond
	begin := time.Now()
	err := started(t, cfg, newHost()).ConsumeLogs(t.Context(), records("1"))
	require.ErrorContains(t, err, l.address+": read tcp")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.False(t, consumererror.IsPermanent(err))
	assert.Less(t, time.Since(begin), 5*time.Second)
	assert.Len(t, l.received(), 1)
}

func TestAServerThatAcceptsAndHangsInTheHandshake(t *testing.T) {
	cfg := direct(listenOnly(t))
	cfg.TLS = configoptional.Some(configtls.NewDefaultClientConfig())
	cfg.Timeout = 50 * time.Millisecond
	require.ErrorIs(t, started(t, cfg, newHost()).ConsumeLogs(t.Context(), records("1")), context.DeadlineExceeded)
}

// listenOnly is an address where connections are never accepted.
func listenOnly(t *testing.T) string {
	t.Helper()
	listener := listen(t, "127.0.0.1:0")
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	return listener.Addr().String()
}

func TestAServerThatIsSlowButAlive(t *testing.T) {
	l := startLogstash(t, "127.0.0.1:0", func(int) bool {
		time.Sleep(time.Second)
		return true
	}, v2.Keepalive(20*time.Millisecond))
	cfg := direct(l.address)
	cfg.Timeout = 300 * time.Millisecond
	require.NoError(t, started(t, cfg, newHost()).ConsumeLogs(t.Context(), records("1")))
	assert.Len(t, l.received(), 1, "a keep-alive is waited on for")
}

func TestAStopWaitsForNoKeepAlive(t *testing.T) {
	l := startLogstash(t, "127.0.0.1:0", func(int) bool { return false }, v2.Keepalive(20*time.Millisecond))
	cfg := retrying(l.address)
	cfg.QueueConfig = createDefaultConfig().(*Config).QueueConfig
	logs := started(t, cfg, newHost())
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	require.Eventually(t, func() bool { return len(l.received()) == 1 }, time.Minute, 5*time.Millisecond)
	begin := time.Now()
	require.NoError(t, logs.Shutdown(t.Context()))
	assert.Less(t, time.Since(begin), 2*time.Second)
}

func TestTwoHosts(t *testing.T) {
	down := port.Address(t)
	up := startLogstash(t, "127.0.0.1:0", always)
	host := newHost()
	logs := started(t, direct(down, up.address), host)
	for range 3 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")), "the one that is down costs no attempt")
	}
	assert.Len(t, up.received(), 3)
	assert.Empty(t, host.reported())

	other := startLogstash(t, down, always)
	up.kill()
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("2")))
	assert.Equal(t, [][]string{{"2"}}, other.received())
}

func TestAHostThatHangsIsLeftForTheOther(t *testing.T) {
	hanging := startLogstash(t, "127.0.0.1:0", func(int) bool { return false }, v2.Keepalive(0))
	up := startLogstash(t, "127.0.0.1:0", always)
	cfg := retrying(hanging.address, up.address)
	cfg.Timeout = 100 * time.Millisecond
	logs := started(t, cfg, newHost())
	for n := range 3 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records(strconv.Itoa(n))))
	}
	assert.Equal(t, [][]string{{"0"}}, hanging.received(), "it isn't tried again while the other one works")
	assert.Equal(t, [][]string{{"0"}, {"1"}, {"2"}}, up.received())
}

// Logstash closes what is idle. Its successor at the address stands for that.
func TestAnIdleConnectionThatWasClosed(t *testing.T) {
	first := startLogstash(t, port.Address(t), always)
	host := newHost()
	logs := started(t, direct(first.address), host)
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("1")))
	first.kill()
	second := startLogstash(t, first.address, always)
	require.NoError(t, logs.ConsumeLogs(t.Context(), records("2")))
	assert.Equal(t, [][]string{{"2"}}, second.received())
	assert.Empty(t, host.reported())
}

// go-lumber's server acknowledges whole windows only, so this peer speaks by hand.
func TestAPartialAcknowledgement(t *testing.T) {
	for name, tt := range map[string]struct {
		answer []byte
		left   []string
		want   string
	}{
		"two of four":   {[]byte{'2', 'A', 0, 0, 0, 0, '2', 'A', 0, 0, 0, 2}, []string{"3", "4"}, "2 of 4 documents not acknowledged: "},
		"none":          {[]byte{'2', 'A', 0, 0, 0, 0}, nil, "EOF"},
		"half of one":   {[]byte{'2', 'A', 0, 0}, nil, "EOF"},
		"too many":      {[]byte{'2', 'A', 0, 0, 0, 5}, nil, "acknowledgement of 5 events, where 4 were sent"},
		"far too many":  {[]byte{'2', 'A', 255, 255, 255, 255}, nil, "acknowledgement of 4294967295 events, where 4 were sent"},
		"another thing": {[]byte("HTTP/1"), nil, "lumberjack protocol error"},
	} {
		t.Run(name, func(t *testing.T) {
			listener := listen(t, "127.0.0.1:0")
			served := make(chan error, 1)
			go func() { served <- answerOnce(listener, tt.answer) }()
			cfg := direct(listener.Addr().String())
			cfg.CompressionLevel = 0
			err := started(t, cfg, newHost()).ConsumeLogs(t.Context(), records(numbers(1, 4)...))
			require.ErrorContains(t, err, tt.want)
			assert.False(t, consumererror.IsPermanent(err))
			var partial consumererror.Logs
			if tt.left == nil {
				require.NotErrorAs(t, err, &partial)
			} else {
				require.ErrorAs(t, err, &partial)
				assert.Equal(t, tt.left, idsOf(partial.Data()))
			}
			require.NoError(t, <-served)
		})
	}
}

// answerOnce answers the first connection as soon as the first bytes have come,
// reads on until the other side has sent all that it will, and closes.
func answerOnce(listener net.Listener, answer []byte) error {
	defer listener.Close()
	socket, err := listener.Accept()
	if err != nil {
		return err
	}
	defer socket.Close()
	if _, err := io.ReadFull(socket, make([]byte, 6)); err != nil {
		return err
	}
	if _, err := socket.Write(answer); err != nil {
		return err
	}
	if err := socket.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, socket)
	return err
}

func TestACancelledBatch(t *testing.T) {
	amid := make(chan struct{})
	l := startLogstash(t, "127.0.0.1:0", func(int) bool {
		close(amid)
		return false
	}, v2.Keepalive(0))
	cfg := direct(l.address)
	cfg.Timeout = time.Minute
	host := newHost()
	logs := started(t, cfg, host)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-amid
		cancel()
	}()
	require.ErrorIs(t, logs.ConsumeLogs(ctx, records("1")), context.Canceled)
	assert.Empty(t, host.reported(), "that is no fault of Logstash")
}

func TestManyConsumers(t *testing.T) {
	l := startLogstash(t, "127.0.0.1:0", always)
	cfg := retrying(l.address)
	queue := exporterhelper.NewDefaultQueueConfig()
	queue.NumConsumers = 4
	cfg.QueueConfig = configoptional.Some(queue)
	logs := started(t, cfg, newHost())
	for n := range 100 {
		require.NoError(t, logs.ConsumeLogs(t.Context(), records(numbers(10*n+1, 10*n+10)...)))
	}
	require.NoError(t, logs.Shutdown(t.Context()), "it drains the queue")
	assert.Equal(t, once(numbers(1, 1000)), l.stored)
}

func TestLifecycle(t *testing.T) {
	logs, err := NewFactory().CreateLogs(t.Context(), settings(), direct("localhost:5044"))
	require.NoError(t, err)
	require.NoError(t, logs.Shutdown(t.Context()), "before the start")

	logs, err = NewFactory().CreateLogs(t.Context(), settings(), retrying("localhost:5044"))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	}
	for range 2 {
		require.NoError(t, logs.Shutdown(t.Context()))
	}
}
