// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reader is who reads standard error.
type reader struct {
	mu   sync.Mutex
	wait chan struct{} // nil: it takes what comes
	err  error
	got  bytes.Buffer
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	wait, err := r.wait, r.err
	r.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.Write(p)
}

func (r *reader) set(wait chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wait, r.err = wait, err
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.String()
}

func TestDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		d := Open(r)
		defer d.Close()
		say := func(text string) {
			begun := time.Now()
			n, err := d.Write([]byte(text))
			require.NoError(t, err)
			require.Len(t, text, n)
			require.Zero(t, time.Since(begun), "nobody waits")
			synctest.Wait()
		}
		fault := func() string {
			_, err := d.Fault()
			if err == nil {
				return ""
			}
			return err.Error()
		}
		say("one\n")
		assert.Equal(t, "one\n", r.String())

		// Nobody reads: it is a fault after a while, and what has no room is dropped.
		stuck := make(chan struct{})
		r.set(stuck, nil)
		say("two\n")
		assert.Empty(t, fault())
		time.Sleep(patience)
		assert.Equal(t, "standard error: nobody reads it; 0 lines dropped", fault())
		line := strings.Repeat("x", 1<<10-1) + "\n"
		for range room/len(line) + 7 {
			say(line)
		}
		assert.Equal(t, "standard error: nobody reads it; 7 lines dropped", fault())
		r.set(nil, nil)
		close(stuck)
		synctest.Wait()
		assert.Empty(t, fault())
		assert.Contains(t, r.String(), "two\n")
		assert.True(t, strings.HasSuffix(r.String(), "modtap: warning: 7 lines of this log were dropped: nobody read standard error\n"), "said once somebody reads")

		// The reader is gone, and comes back.
		r.set(nil, errors.New("broken pipe"))
		begun := time.Now()
		time.Sleep(time.Second)
		say("three\n")
		time.Sleep(time.Minute)
		say("four\nfive\n")
		assert.Equal(t, "standard error: broken pipe; 3 lines dropped", fault())
		since, _ := d.Fault()
		assert.Equal(t, begun.Add(time.Second), since)
		r.set(nil, nil)
		say("six\n")
		assert.Empty(t, fault())
	})
}

// TestDoorAtTheEnd: the end of the process waits for a slow reader, and not for one that reads no more.
func TestDoorAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]string{time.Second: "bye\n", time.Hour: ""} {
			r := &reader{}
			stuck := make(chan struct{})
			r.set(stuck, nil)
			time.AfterFunc(wait, func() { close(stuck) })
			d := Open(r)
			fmt.Fprintln(d, "bye")
			begun := time.Now()
			d.Close()
			synctest.Wait()
			assert.Equal(t, min(wait, farewell), time.Since(begun))
			assert.Equal(t, want, r.String())
			time.Sleep(time.Hour)
		}
	})
}

// TestTake: everything that is written to standard error or package log in this process comes to the door.
func TestTake(t *testing.T) {
	standard := os.Stderr
	read, write, err := os.Pipe()
	require.NoError(t, err)
	os.Stderr = write
	d, undo := Take()
	fmt.Fprintln(os.Stderr, "by os.Stderr")
	fmt.Fprintln(d, "by the door")
	undo()
	assert.Same(t, write, os.Stderr)
	os.Stderr = standard
	require.NoError(t, write.Close())
	var got bytes.Buffer
	_, err = got.ReadFrom(read)
	require.NoError(t, err)
	require.NoError(t, read.Close())
	assert.Contains(t, got.String(), "by os.Stderr\n")
	assert.Contains(t, got.String(), "by the door\n")
}

// TestLibraryLog: what libraries log is a warning, each kind once a minute, and never holds what came over the network.
func TestLibraryLog(t *testing.T) {
	core, logged := observer.New(zapcore.WarnLevel)
	defer log.SetOutput(log.Writer())
	defer log.SetFlags(log.Flags())
	TakeLibraryLog(core)
	for range 100 {
		log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "\x1b[2Jhunter2", nil)
		log.Printf("http2: server connection error from %v", "hunter2")
		log.Print("something else: ", strings.Repeat("y", 10_000))
	}
	require.Equal(t, 3, logged.Len())
	for _, entry := range logged.All() {
		assert.NotContains(t, fmt.Sprint(entry), "hunter2", "case 35")
		assert.Less(t, len(fmt.Sprint(entry)), 2*maxText+200)
	}
}
