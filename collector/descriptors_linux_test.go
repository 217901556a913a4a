// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoDescriptors is case 55 in a process that may have 100 descriptors: what
// can't be accepted is logged and a fault, and over when there is room again.
func TestNoDescriptors(t *testing.T) {
	cmd, r := proxied(t, &syscall.SysProcAttr{Setsid: true}, nil, "sh", "-c", `ulimit -n 100; exec "$@"`, "sh")
	proxy, err := url.Parse(told(t, r.String(), "proxy"))
	require.NoError(t, err)
	page, err := url.Parse(told(t, r.String(), "metrics"))
	require.NoError(t, err)
	health := told(t, r.String(), "health")

	var held []net.Conn
	hold := func(address string, n int) {
		for range n {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			require.NoError(t, err, "the kernel takes it")
			held = append(held, conn)
		}
	}
	for _, of := range []struct {
		address string
		n       int
	}{{proxy.Host, 150}, {page.Host, 5}} { // the page's come when there is nothing left
		hold(of.address, of.n)
		require.Eventually(t, func() bool {
			for line := range strings.Lines(r.String()) {
				if strings.Contains(line, "none can be accepted") && strings.Contains(line, of.address) && strings.Contains(line, "too many open files") {
					return true
				}
			}
			return false
		}, time.Minute, 10*time.Millisecond, "%s: %s", of.address, r)
	}
	for _, conn := range held {
		require.NoError(t, conn.Close())
	}
	status, text := 0, ""
	require.Eventually(t, func() bool {
		status, text = tryGet(t, health+"/healthy")
		return status != 0
	}, time.Minute, 10*time.Millisecond)
	assert.Equal(t, http.StatusServiceUnavailable, status, "so soon it is a fault")
	assert.Contains(t, text, "no connection can be accepted at "+proxy.Host+": too many open files")
	assert.Contains(t, text, "no connection can be accepted at "+page.Host+": too many open files")
	get(t, proxy.String()+"/example.com/m/@v/list")
	require.Eventually(t, func() bool { status, _ = tryGet(t, health+"/healthy"); return status == http.StatusOK }, time.Minute, 100*time.Millisecond)
	said := 0
	for line := range strings.Lines(r.String()) {
		if strings.Contains(line, "none can be accepted") && strings.Contains(line, proxy.Host) {
			said++
		}
	}
	assert.Equal(t, 1, said, "one line in a minute: %s", r)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, ends(t, cmd, r), r.String())
}

func tryGet(t *testing.T, address string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: time.Second}).RoundTrip(request)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	var b strings.Builder
	_ = answer.Write(&b)
	return answer.StatusCode, b.String()
}
