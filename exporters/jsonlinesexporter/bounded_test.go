// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jsonlinesexporter

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valve is an output that takes a write only when it is let through.
type valve struct {
	pass chan error
	got  bytes.Buffer
}

func (v *valve) Write(batch []byte) (int, error) {
	if err := <-v.pass; err != nil {
		return 0, err
	}
	return v.got.Write(batch)
}

func (*valve) Close() error { return nil }

// TestStuckWrites: every order of patience, the write's end, and what is written next. Nothing is written twice, nothing waits
// longer than patience, nothing touches the output while a write is under way.
func TestStuckWrites(t *testing.T) {
	errDisk := errors.New("disk full")
	for _, tt := range []struct {
		name      string
		ends      error  // how the stuck write ends
		again     string // what is written then
		want      string // of that
		delivered string
	}{
		{"arrives late, and the batch comes again", nil, "one\n", "", "one\n"},
		{"arrives late, and another batch comes", nil, "two\n", "", "one\ntwo\n"},
		{"fails late, and the batch comes again", errDisk, "one\n", "disk full", ""},
		{"fails late, and another batch comes", errDisk, "two\n", "", "two\n"},
	} {
		t.Run("case 28: "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &valve{pass: make(chan error, 10)}
				b := newBounded(v)
				begun := time.Now()
				require.NoError(t, b.ready(t.Context()))
				require.ErrorContains(t, b.write(t.Context(), []byte("one\n")), "nobody reads what is written")
				assert.Equal(t, patience, time.Since(begun))
				require.ErrorContains(t, b.ready(t.Context()), "nobody reads", "nothing else is written meanwhile")
				stop, cancel := context.WithCancel(t.Context())
				cancel()
				begun = time.Now()
				require.ErrorIs(t, b.ready(stop), context.Canceled)
				assert.Zero(t, time.Since(begun), "a stop waits for nothing")
				require.NoError(t, b.close(), "nor is closing it")
				v.pass <- tt.ends
				synctest.Wait()
				v.pass <- nil
				require.NoError(t, b.ready(t.Context()))
				err := b.write(t.Context(), []byte(tt.again))
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tt.want)
				}
				assert.Equal(t, tt.delivered, v.got.String())
				require.NoError(t, b.close())
			})
		})
	}
}

// TestStuckWritesRace has writers, a stop and the output at once, for the race detector.
func TestStuckWritesRace(t *testing.T) {
	v := &valve{pass: make(chan error)}
	b := &bounded{out: v, wait: time.Millisecond}
	var passing sync.WaitGroup
	stop := make(chan struct{})
	passing.Go(func() {
		for {
			select {
			case v.pass <- nil:
				time.Sleep(2 * time.Millisecond)
			case <-stop:
				return
			}
		}
	})
	taken := 0
	for range 100 {
		if b.ready(t.Context()) == nil && b.write(t.Context(), []byte("x\n")) == nil {
			taken++
		}
	}
	for b.ready(t.Context()) != nil { //nolint:revive // the last write ends
	}
	close(stop)
	passing.Wait()
	assert.Positive(t, taken)
	assert.GreaterOrEqual(t, bytes.Count(v.got.Bytes(), []byte("\n")), taken-1)
}
