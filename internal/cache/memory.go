// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/goproxy"
)

// trail is what was seen of one file. What the observed proxy has in its storage is
// never seen; that it has a file is known from this alone.
type trail struct {
	// Fetched is when a whole fetch of it through us ended last, Answered when the
	// proxy answered it in full, by whatever way it came there. Zero: never.
	Fetched, Answered exchange.Time
	// Had is true once an answer was known to come from the proxy's own copy.
	Had bool
}

// seen reports whether the file is known to have been fetched or answered.
func (t trail) seen() bool { return t.Fetched != 0 || t.Answered != 0 }

func (t trail) last() exchange.Time { return max(t.Fetched, t.Answered) }

func (t trail) with(u trail) trail {
	return trail{max(t.Fetched, u.Fetched), max(t.Answered, u.Answered), t.Had || u.Had}
}

// maxFiles bounds the files that are remembered; the longest unseen go first. A file
// that was forgotten is unknown once.
const maxFiles = 150_000

// memory has the trails of files, by their digests: their names' length hangs on
// nobody. Only what an upstream or the proxy answered with success enters it.
type memory struct{ files map[uint64]trail }

func newMemory() *memory { return &memory{files: make(map[uint64]trail)} }

func (m *memory) of(r goproxy.Request) trail { return m.files[fileID(r)] }

// ofVersion is what was seen of any file of r's version.
func (m *memory) ofVersion(r goproxy.Request) (t trail) {
	for _, r.Operation = range []goproxy.Operation{goproxy.Info, goproxy.Mod, goproxy.Zip} {
		t = t.with(m.of(r))
	}
	return t
}

// stored is what was seen of r's version as a whole, in a proxy that fetches a .zip
// last.
func (m *memory) stored(r goproxy.Request) trail {
	t := m.ofVersion(r)
	r.Operation = goproxy.Zip
	t.Fetched = m.of(r).Fetched
	return t
}

func (m *memory) note(r goproxy.Request, t trail) {
	id := fileID(r)
	m.files[id] = m.files[id].with(t)
	if len(m.files) > maxFiles {
		m.prune()
	}
}

// prune forgets a tenth, so that it is rarely called.
func (m *memory) prune() {
	ids := slices.SortedFunc(maps.Keys(m.files), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(m.files[a].last(), m.files[b].last()), cmp.Compare(a, b))
	})
	for _, id := range ids[:(len(ids)+9)/10] {
		delete(m.files, id)
	}
}

// fileID stands for what r asks for, wherever the proxy is mounted.
func fileID(r goproxy.Request) uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, part := range [...]string{r.Operation.String(), r.Module, r.Version, r.SumDB, r.SumDBKind, r.Tile} {
		_, _ = d.WriteString(part)
		_, _ = d.WriteString("\x00")
	}
	return d.Sum64()
}

// trailSize is that of one file in [memory.pack]: digest, two times, Had.
const trailSize = 8 + 8 + 8 + 1

func (m *memory) pack() []byte {
	out := make([]byte, 0, len(m.files)*trailSize)
	for id, t := range m.files {
		out = binary.LittleEndian.AppendUint64(out, id)
		out = binary.LittleEndian.AppendUint64(out, uint64(t.Fetched))
		out = binary.LittleEndian.AppendUint64(out, uint64(t.Answered))
		had := byte(0)
		if t.Had {
			had = 1
		}
		out = append(out, had)
	}
	return out
}

// unpack takes over what [memory.pack] returned; a rest that is no trail is passed over.
func (m *memory) unpack(data []byte) {
	for ; len(data) >= trailSize && len(m.files) < maxFiles; data = data[trailSize:] {
		m.files[binary.LittleEndian.Uint64(data)] = trail{
			Fetched:  exchange.Time(binary.LittleEndian.Uint64(data[8:])),
			Answered: exchange.Time(binary.LittleEndian.Uint64(data[16:])),
			Had:      data[24] != 0,
		}
	}
}
