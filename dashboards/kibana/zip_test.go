// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package kibana

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// moduleZip makes a module's zip of about 20 KB.
func moduleZip(tb testing.TB, path, version string) []byte {
	tb.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for name, text := range map[string][]byte{"go.mod": []byte("module " + path + "\n"), "data.txt": bytes.Repeat([]byte("modtap.\n"), 2500)} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: path + "@" + version + "/" + name, Method: zip.Store})
		require.NoError(tb, err)
		_, err = f.Write(text)
		require.NoError(tb, err)
	}
	require.NoError(tb, w.Close())
	return buffer.Bytes()
}
