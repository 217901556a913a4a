// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	modzip "golang.org/x/mod/zip"

	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/modcache"
	"github.com/modtap/modtap/internal/phase"
)

// ahead hashes the entries of a zip while it is still coming. What it finds are the
// hashes of stretches of the file, nothing is concluded from them: [checkZip] reads the
// directory at the zip's end, when all is there, and takes the hash of a stretch only for
// an entry that is just this stretch. Where anything is unusual it stops, and checkZip
// hashes what is left, so it never refuses and never accepts.
type ahead struct {
	content *modcache.Draft
	done    chan struct{}
	sums    map[int64]stretch // by offset; read once done is closed

	mu        sync.Mutex
	more      sync.Cond
	there     int64 // bytes
	over      bool  // no more come
	abandoned bool  // nobody wants to know
}

// stretch is what the compressed data of one entry is.
type stretch struct {
	packed, size int64
	method       uint16
	described    bool // by a descriptor behind it, which is right
	crc          uint32
	sum          [sha256.Size]byte
}

// is reports whether the entry f, whose data begins where s does, is s.
func (s *stretch) is(f *zip.File) bool {
	return s.method == f.Method && s.described == (f.Flags&flagDescriptor != 0) && uint64(s.packed) == f.CompressedSize64 && uint64(s.size) == f.UncompressedSize64 && s.crc == f.CRC32
}

// hashAhead begins; the caller tells of each byte that is written, and ends it.
func hashAhead(d *modcache.Draft, clock *phase.Clock) *ahead {
	a := &ahead{content: d, done: make(chan struct{}), sums: make(map[int64]stretch)}
	a.more.L = &a.mu
	go func() {
		defer close(a.done)
		defer clock.Enter(exchange.PhaseVerify).Leave()
		a.run()
	}()
	return a
}

// wrote says that n more bytes are there.
func (a *ahead) wrote(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.there += int64(n)
	a.more.Signal()
}

// end says that no more bytes come and returns what was hashed: the entry that is being
// hashed, and no further one, as several at once are faster. Like abandon it may be
// called again, and on nil.
func (a *ahead) end() map[int64]stretch {
	if a == nil {
		return nil
	}
	a.stop(false)
	return a.sums
}

// abandon ends it at once.
func (a *ahead) abandon() {
	if a != nil {
		a.stop(true)
	}
}

func (a *ahead) stop(abandon bool) {
	a.mu.Lock()
	a.over, a.abandoned = true, a.abandoned || abandon
	a.more.Signal()
	a.mu.Unlock()
	<-a.done
}

func (a *ahead) isOver() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over
}

// coming reads what is there and waits for what isn't.
type coming struct {
	*ahead
	at int64
}

// Read implements [io.Reader].
func (c *coming) Read(p []byte) (int, error) {
	c.mu.Lock()
	for c.at == c.there && !c.over {
		c.more.Wait()
	}
	n := min(int64(len(p)), c.there-c.at)
	if c.abandoned {
		n = 0
	}
	c.mu.Unlock()
	if n == 0 {
		return 0, io.EOF
	}
	read, err := c.content.ReadAt(p[:n], c.at)
	c.at += int64(read)
	return read, err
}

// The parts of a zip file (APPNOTE.TXT, sections 4.3.7 and 4.3.9).
const (
	localHeader     = 0x04034b50
	localHeaderSize = 30
	descriptor      = 0x08074b50

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
)

func (a *ahead) run() {
	from := &coming{ahead: a}
	r := bufio.NewReaderSize(from, 64<<10)
	inflate, sha, crc := flate.NewReader(r), sha256.New(), crc32.NewIEEE()
	for left := int64(modzip.MaxZipFile); !a.isOver(); {
		method, described, packed, ok := readLocal(r)
		if !ok {
			return
		}
		at := from.at - int64(r.Buffered())
		var data io.Reader = inflate
		switch {
		case method == zip.Deflate:
			_ = inflate.(flate.Resetter).Reset(r, nil) // which can't fail
		case method == zip.Store && !described:
			data = io.LimitReader(r, packed)
		default:
			return
		}
		sha.Reset()
		crc.Reset()
		size, err := io.Copy(io.MultiWriter(sha, crc), io.LimitReader(data, left+1))
		if left -= size; err != nil || left < 0 {
			return
		}
		s := stretch{method: method, described: described, size: size, packed: from.at - int64(r.Buffered()) - at, crc: crc.Sum32()}
		sha.Sum(s.sum[:0])
		if described && !readDescriptor(r, &s) {
			return
		}
		a.sums[at] = s
	}
}

// readLocal reads the header that stands before an entry's data.
func readLocal(r *bufio.Reader) (method uint16, described bool, packed int64, ok bool) {
	var h [localHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil || binary.LittleEndian.Uint32(h[:]) != localHeader {
		return 0, false, 0, false
	}
	flags := binary.LittleEndian.Uint16(h[6:])
	names := int(binary.LittleEndian.Uint16(h[26:])) + int(binary.LittleEndian.Uint16(h[28:]))
	_, err := r.Discard(names)
	return binary.LittleEndian.Uint16(h[8:]), flags&flagDescriptor != 0, int64(binary.LittleEndian.Uint32(h[18:])), err == nil && flags&flagEncrypted == 0
}

// readDescriptor reads what stands behind an entry whose header didn't know its sizes:
// as archive/zip does it, only the checksum counts. The sizes have four or eight bytes.
func readDescriptor(r *bufio.Reader, s *stretch) bool {
	d, err := r.Peek(24) // More comes behind it in any zip.
	if err != nil || binary.LittleEndian.Uint32(d) != descriptor || binary.LittleEndian.Uint32(d[4:]) != s.crc {
		return false
	}
	size := 16
	if binary.LittleEndian.Uint64(d[8:]) == uint64(s.packed) && binary.LittleEndian.Uint64(d[16:]) == uint64(s.size) {
		size = 24
	}
	_, err = r.Discard(size)
	return err == nil
}
