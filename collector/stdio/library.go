// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"io"
	"log"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// maxText is how much of a library's line is logged, in bytes.
const maxText = 300

// A remark is what a library writes to the log of package log, known by its beginning, and how Modtap says it: without what
// came over the network.
type remark struct{ begins, says string }

var remarks = []remark{
	{
		"Unsolicited response received on idle HTTP channel",
		"an upstream or a backend sent something that nobody asked for, behind an answer; the connection is closed",
	},
	{"http: superfluous response.WriteHeader call", "an answer was begun twice"},
	{"http2: ", "an HTTP/2 connection had a fault"},
	{"http: TLS handshake error", "a TLS handshake failed"},
}

// TakeLibraryLog makes a logger's core the way of everything that libraries log through package log: as a warning, each kind
// once a minute.
func TakeLibraryLog(core zapcore.Core) {
	log.SetFlags(0)
	log.SetOutput(NewLibraryLog(core))
}

// NewLibraryLog returns what takes lines of package log to core, as [TakeLibraryLog] says.
func NewLibraryLog(core zapcore.Core) io.Writer {
	return &libraryLog{zap.New(zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0))}
}

type libraryLog struct{ logger *zap.Logger }

func (l *libraryLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	for _, r := range remarks {
		if strings.HasPrefix(text, r.begins) {
			l.logger.Warn(r.says)
			return len(line), nil
		}
	}
	l.logger.Warn("a library logs", zap.String("text", strings.ToValidUTF8(text[:min(len(text), maxText)], "?")))
	return len(line), nil
}
