// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/chain"
	protocol "github.com/modtap/modtap/internal/goproxy"
)

func answerOf(size int) *chain.Answer {
	return &chain.Answer{Response: &http.Response{Body: io.NopCloser(strings.NewReader(strings.Repeat("v", size)))}}
}

// TestAnswersInMemoryAreBounded: each kind of answer has its bound, and large ones take turns.
func TestAnswersInMemoryAreBounded(t *testing.T) {
	left, leave := context.WithCancelCause(t.Context())
	leave(errors.New("the client left"))
	for _, kind := range []protocol.Operation{protocol.List, protocol.Latest, protocol.Query, protocol.Info, protocol.SumDB} {
		for _, size := range []int{0, 1, smallAnswer - 1, smallAnswer, smallAnswer + 1, 2 * smallAnswer, maxAnswer, maxAnswer + 1} {
			name := fmt.Sprint(kind, " ", size)
			var c content
			err := c.read(t.Context(), answerOf(size), kind)
			takes := size <= smallAnswer || size <= maxAnswer && kind == protocol.List
			turns := 0
			if takes && size > smallAnswer {
				turns = 1
			}
			assert.Len(t, large, turns, name)
			if takes {
				require.NoError(t, err, name)
				assert.Len(t, c.bytes, size, name)
			} else {
				require.ErrorContains(t, err, "larger than", name)
				assert.Empty(t, c.bytes)
			}
			require.NoError(t, c.read(t.Context(), answerOf(7), kind), "of the next element")
			assert.Empty(t, large)
			c.done()
			assert.Empty(t, large)

			for range maxLarge { // Everybody's turn but ours.
				large <- struct{}{}
			}
			err = c.read(left, answerOf(size), kind)
			if turns == 1 {
				require.ErrorContains(t, err, "the client left", name)
			} else {
				assert.Equal(t, takes, err == nil, name)
			}
			for range maxLarge {
				<-large
			}
			c.done()
			assert.Empty(t, large, name)
		}
	}
}

// TestLargeModFilesTakeTurns: a go.mod of many MiB is parsed into a multiple of that.
func TestLargeModFilesTakeTurns(t *testing.T) {
	u := newUpstream(t, 1000)
	u.files["/"+stem+".mod"] = "module example.com/m\n" + strings.Repeat("// a comment\n", 2*smallAnswer/13)
	u.files["/"+stem+".info"] = `{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z","Text":"` + strings.Repeat("x", smallAnswer) + `"}`
	g := start(t, u.URL, map[string]string{"GOSUMDB": "off"})
	assert.Equal(t, 200, g.get(t, "/"+stem+".mod").StatusCode)
	assert.Equal(t, 502, g.get(t, "/"+stem+".info").StatusCode)
	assert.Empty(t, large)
}
