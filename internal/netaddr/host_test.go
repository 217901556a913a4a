// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package netaddr

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckHost(t *testing.T) {
	for _, text := range []string{"http://a.example", "http://A-1.example:80", "http://a_b:65535/x", "http://[::1]:1", "http://[fe80::1%25eth0]", "http://127.0.0.1", "http://müller.example", "http://u:p;w@a.example", "http://j$$:1"} {
		u, err := url.Parse(text)
		require.NoError(t, err, text)
		assert.NoError(t, CheckHost(u), text)
	}
	for _, host := range []string{"a.example;b", "a.example;direct", "a'b", "a!b", "a&b", "(a)", "a*", "a+b", "a=b", "a~b", "a,b", "", ":80", "a:0", "a:70000", "a:99999999999999999999"} {
		u, err := url.Parse("http://" + host + "/x")
		require.NoError(t, err, host)
		assert.Error(t, CheckHost(u), "%q", host)
	}
}
