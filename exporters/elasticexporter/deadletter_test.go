// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

func newDeadLetters(t *testing.T) *deadLetters {
	t.Helper()
	return &deadLetters{path: filepath.Join(t.TempDir(), "new", "dead.jsonl"), limit: 20, mu: new(sync.Mutex)}
}

func texts(lines ...string) [][]byte {
	made := make([][]byte, len(lines))
	for i, line := range lines {
		made[i] = []byte(line + "\n")
	}
	return made
}

func TestDeadLettersAreBounded(t *testing.T) {
	d := newDeadLetters(t)
	for _, step := range []struct {
		lines []string
		kept  int
		lost  string
		file  string
	}{
		{[]string{"123456789"}, 1, "", "123456789\n"},
		{[]string{"1234", "123456", "1"}, 1, lostFull, "123456789\n1234\n"},
		{[]string{"1234"}, 1, "", "123456789\n1234\n1234\n"},
		{[]string{"1"}, 0, lostFull, "123456789\n1234\n1234\n"},
	} {
		kept, lost, err := d.write(texts(step.lines...))
		require.NoError(t, err)
		assert.Equal(t, step.kept, kept)
		assert.Equal(t, step.lost, lost)
		file, err := os.ReadFile(d.path)
		require.NoError(t, err)
		assert.Equal(t, step.file, string(file))
	}
	require.NoError(t, os.Rename(d.path, d.path+".old"))
	kept, _, err := d.write(texts("again"))
	require.NoError(t, err)
	assert.Equal(t, 1, kept, "the file was moved away")
	info, err := os.Stat(d.path)
	require.NoError(t, err)
	assert.Zero(t, info.Mode().Perm()&0o007, "not everybody's to read")
}

func TestATornLineIsEnded(t *testing.T) {
	d := newDeadLetters(t)
	require.NoError(t, os.Mkdir(filepath.Dir(d.path), 0o700))
	require.NoError(t, os.WriteFile(d.path, []byte(`{"half`), 0o600))
	kept, _, err := d.write(texts("whole"))
	require.NoError(t, err)
	assert.Equal(t, 1, kept)
	file, err := os.ReadFile(d.path)
	require.NoError(t, err)
	assert.Equal(t, "{\"half\nwhole\n", string(file))
}

func TestAFileThatCannotBeWrittenLosesAndBlocksNothing(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, string){
		"a directory": func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
		"a pipe":      func(t *testing.T, path string) { require.NoError(t, syscall.Mkfifo(path, 0o600)) },
		"below a file": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(filepath.Dir(path)))
			require.NoError(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.item = func(id string) itemFate {
				if id == "ok" {
					return itemFate{status: http.StatusCreated}
				}
				return itemFate{http.StatusBadRequest, "mapper_parsing_exception", "failed to parse"}
			}
			cfg := direct(c.URL)
			cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "sub", "dead.jsonl")
			require.NoError(t, os.Mkdir(filepath.Dir(cfg.DeadLetter.Path), 0o700))
			spoil(t, cfg.DeadLetter.Path)
			telemetry := componenttest.NewTelemetry()
			t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
			set := settings()
			set.TelemetrySettings = telemetry.NewTelemetrySettings()

			require.NoError(t, started(t, set, cfg).ConsumeLogs(t.Context(), records("bad1", "ok", "bad2")))
			assert.Equal(t, []string{"ok"}, c.ids())
			assert.EqualValues(t, 2, sum(t, telemetry, "lost", lostWriteFault))
			assert.EqualValues(t, 2, sum(t, telemetry, "rejected", "mapper_parsing_exception"))
		})
	}
}

// TestWhatFailsLaterDoesNotBuryTwice: a document that was refused isn't sent
// again with those of its batch that weren't taken.
func TestWhatFailsLaterDoesNotBuryTwice(t *testing.T) {
	c := newCluster(t)
	busy := true
	c.item = func(id string) itemFate {
		switch {
		case id == "bad":
			return itemFate{http.StatusBadRequest, "mapper_parsing_exception", "<failed>"}
		case id == "busy" && busy:
			busy = false
			return itemFate{http.StatusTooManyRequests, "es_rejected_execution_exception", "queue full"}
		}
		return itemFate{status: http.StatusCreated}
	}
	cfg := retrying(c.URL)
	cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "dead.jsonl")
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("bad", "busy", "ok")))
	assert.Equal(t, [][]string{{"bad", "busy", "ok"}, {"busy"}}, c.bulks)
	text, err := os.ReadFile(cfg.DeadLetter.Path)
	require.NoError(t, err)
	assert.Equal(t, 1, bytes.Count(text, []byte("\n")))
	assert.Contains(t, string(text), `"reason":"<failed>: the cause"`)
}

func TestAWholeRequestThatIsRefusedIsDividedUntilOneIsLeft(t *testing.T) {
	c := newCluster(t)
	c.whole = func(int) int {
		return http.StatusBadRequest
	}
	c.wholeError = "action_request_validation_exception"
	cfg := direct(c.URL)
	cfg.DeadLetter.Path = filepath.Join(t.TempDir(), "dead.jsonl")
	require.NoError(t, started(t, settings(), cfg).ConsumeLogs(t.Context(), records("1", "2", "3")))
	assert.Equal(t, [][]string{{"1", "2", "3"}, {"1"}, {"2", "3"}, {"2"}, {"3"}}, c.bulks)
	found := letters(t, cfg.DeadLetter.Path)
	require.Len(t, found, 3)
	assert.Equal(t, deadLetterError{Type: "action_request_validation_exception", Reason: "Validation Failed"}, found[0].Error)
}

func TestIDsThatJSONEscapes(t *testing.T) {
	for _, id := range []string{"plain", `a"b\c`, "é\n", "", "\xff", strings.Repeat("<", 3)} {
		b := newBatcher("index", true).logs(records(id))
		line, document := b.lines(0)
		var create action
		require.NoError(t, json.Unmarshal([]byte(line), &create), "%s", line)
		assert.Equal(t, "index-2026.11.22", create.Create.Index)
		assert.Equal(t, strings.ToValidUTF8(id, "\ufffd"), create.Create.ID)
		assert.True(t, json.Valid([]byte(document)))
		assert.Equal(t, line+"\n"+document+"\n", b.part(0, 1))
	}
}
