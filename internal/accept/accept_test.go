// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package accept

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broken accepts nothing, for a reason, until it is well or closed.
type broken struct {
	reason error
	well   chan struct{}
	tries  int
}

func (b *broken) Accept() (net.Conn, error) {
	select {
	case <-b.well:
		<-time.After(time.Hour)
		return nil, net.ErrClosed
	default:
	}
	b.tries++
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: b.Addr(), Err: os.NewSyscallError("accept4", b.reason)}
}
func (b *broken) Close() error   { return nil }
func (b *broken) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081} }

// TestEveryReason is case 55: whatever passes is tried again, logged once a
// minute, and a fault until 10 s after it last happened.
func TestEveryReason(t *testing.T) {
	for _, reason := range passing {
		t.Run("case 55: "+reason.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logged := observer.New(zapcore.WarnLevel)
				var told []error
				inner := &broken{reason: reason, well: make(chan struct{})}
				l := Watch(inner, zap.New(core), func(err error) { told = append(told, err) })
				go func() { _, _ = l.Accept() }()
				time.Sleep(10*time.Minute + time.Second)
				synctest.Wait()
				assert.Len(t, told, 1, "the same fault is no news")
				require.EqualError(t, told[0], "no connection can be accepted at 127.0.0.1:8081: "+reason.Error())
				assert.InDelta(t, 10, logged.Len(), 1, "once a minute")
				assert.Less(t, inner.tries, 700, "it doesn't spin")
				close(inner.well)
				time.Sleep(12 * time.Second)
				synctest.Wait()
				require.Len(t, told, 2)
				require.NoError(t, told[1])
				assert.Equal(t, "connections are accepted again", logged.All()[logged.Len()-1].Message)
				require.NoError(t, l.Close())
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

func TestCloseEndsATry(t *testing.T) {
	l := Watch(&broken{reason: syscall.EMFILE, well: make(chan struct{})}, zap.NewNop(), func(error) {})
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

func TestOtherErrorsAreForGood(t *testing.T) {
	for _, reason := range []error{syscall.EBADF, syscall.EINVAL, errors.New("other")} {
		_, err := Watch(&broken{reason: reason, well: make(chan struct{})}, zap.NewNop(), func(error) { assert.Fail(t, "no fault that passes") }).Accept()
		require.ErrorIs(t, err, reason)
	}
}

func TestServes(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", zap.NewNop(), func(error) { assert.Fail(t, "nothing is wrong") })
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })}
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(func() *http.Request {
		r, _ := http.NewRequest(http.MethodGet, "http://"+l.Addr().String(), http.NoBody)
		return r
	}())
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, server.Shutdown(t.Context()))
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
	_, err = Listen(t.Context(), "256.0.0.1:1", zap.NewNop(), nil)
	require.Error(t, err)
}
