// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

const (
	// childDir names the journal to a child process of the test.
	childDir     = "JOURNAL_TEST_DIR"
	childWriters = 4
)

// appendUntilKilled is the child: several goroutines append numbers, and each
// says to its parent what it was given back.
func appendUntilKilled(dir string) {
	m, err := Open(dir, 256<<20, zap.NewNop())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for w := range uint64(childWriters) {
		go func() {
			for i := uint64(0); ; i++ {
				p := appendNumber(m, w<<32|i, 100+int(i*37%900))
				ack := make([]byte, 16)
				binary.LittleEndian.PutUint64(ack, w<<32|i)
				binary.LittleEndian.PutUint64(ack[8:], uint64(p))
				_, _ = os.Stdout.Write(ack) // shorter than PIPE_BUF: at once
			}
		}()
	}
	select {}
}

type ack struct {
	number   uint64
	position Position
}

// killedRun has a child append to dir, kills it after a while and returns what
// it had acknowledged.
func killedRun(t *testing.T, dir string, after time.Duration) (acks []ack) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	in := bufio.NewReaderSize(out, 1<<20)
	_, err = in.Peek(1)
	require.NoError(t, err)
	time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	for {
		b := make([]byte, 16)
		if _, err := io.ReadFull(in, b); err != nil {
			break
		}
		acks = append(acks, ack{binary.LittleEndian.Uint64(b), Position(binary.LittleEndian.Uint64(b[8:]))})
	}
	require.Error(t, cmd.Wait(), "killed")
	return acks
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	dir := t.TempDir()
	var cursor Position
	var damaged uint64
	var total int
	for run := range 20 {
		acks := killedRun(t, dir, time.Duration(rand.IntN(150))*time.Millisecond)
		require.NotEmpty(t, acks)
		m, err := Open(dir, 256<<20, zap.NewNop())
		require.NoError(t, err)

		got := map[uint64]Position{}
		var next [childWriters]uint64
		last := cursor
		last, lost := m.Read(cursor, func(p Position, rec []byte) {
			if rec == nil {
				return // a hole
			}
			require.Greater(t, p, last)
			last = p
			n := binary.LittleEndian.Uint64(rec)
			require.GreaterOrEqual(t, n&(1<<32-1), next[n>>32], "in each writer's order, none twice")
			next[n>>32] = n&(1<<32-1) + 1
			got[n] = p
		})
		for _, a := range acks {
			require.Equal(t, a.position, got[a.number], "run %d, number %#x", run, a.number)
		}
		assert.Zero(t, lost.Full)
		assert.LessOrEqual(t, lost.Damaged, uint64(childWriters), "at most what each was just writing")
		damaged += lost.Damaged
		total += len(acks)

		assert.Greater(t, appendNumber(m, 0, 8), last, "a run goes on behind all before")
		cursor, lost = m.Read(last, func(Position, []byte) {})
		assert.Zero(t, lost)
		if run%3 == 2 {
			m.Release(cursor) // else the next run finds all of it again
		}
		require.NoError(t, m.Close())
	}
	t.Logf("%d records acknowledged in 20 runs, none lost; %d torn places", total, damaged)
}
