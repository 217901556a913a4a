// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shape is that of the records which are written now. A change of what is written is
// another one: it gets a number, a file in testdata/records, which -update writes, and
// what goldenRecord takes away for those before. Their files stay as they are, for ever.
const shape = 7

var update = flag.Bool("update", false, "write the golden records of a new shape")

// golden calls fn with each record of testdata/records, all of which earlier code has
// really written, and with what it says.
func golden(t testing.TB, fn func(name string, rec []byte, want Record)) {
	t.Helper()
	for n := 1; n <= shape; n++ {
		data, err := os.ReadFile(filepath.Join("testdata", "records", strconv.Itoa(n)))
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			kind, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			rec, err := hex.DecodeString(text)
			require.NoError(t, err)
			fn(strconv.Itoa(n)+" "+kind, rec, goldenRecord(n, kind))
		}
	}
}

// goldenRecord is what a record of the nth shape says.
func goldenRecord(n int, kind string) Record {
	switch kind {
	case "start":
		r := Record{Kind: KindStart, Time: 3, Start: Start{Time: 3, Run: "run"}}
		if n >= 6 {
			r.Start.Settings = []byte("settings")
		}
		r.Start.Continues = n >= 7
		return r
	case "tick":
		return Record{Kind: KindTick, Time: 9}
	case "left":
		return Record{Kind: KindTick, Time: 9, Left: Session{ID: TraceID{1}, Root: SpanID{2}}}
	case "mark":
		return Record{Kind: KindTick, Time: 9, Mark: goldenMark()}
	case "stop":
		return Record{Kind: KindStop, Time: 9}
	case "exchange":
		return goldenExchange(n)
	case "begin":
		b := goldenBegin(n)
		return Record{Kind: KindBegin, Time: b.Time, Begin: b}
	case "end":
		e := goldenEnd(n)
		return Record{Kind: KindEnd, Time: e.Time, End: e}
	}
	panic(kind)
}

func goldenMark() Mark { return Mark{Source: "access.log", At: []byte("inode 7, offset 4096")} }

func goldenExchange(n int) Record {
	return Record{
		Kind: KindExchange, Time: 1234567890123457000, Begin: goldenBegin(n), End: goldenEnd(n),
		SessionKey: []byte("key"), Mark: goldenMark(),
	}
}

func goldenBegin(n int) *Begin {
	b := fullBegin()
	b.Connection, b.Session.Held, b.ClientKey, b.Offset = 0, false, ClientKey{}, 0
	if n >= 3 {
		b.Connection = 12
	}
	if n >= 5 {
		b.Session.Held = true
	}
	if n >= 6 {
		b.ClientKey = ClientKey{1, 2, 3, 4, 5, 6, 7, 8}
	}
	if n >= 7 {
		b.Offset = -3 * time.Second
	}
	return b
}

func goldenEnd(n int) *End {
	e := fullEnd()
	e.Phases = nil
	if n >= 2 {
		e.Attempts[0].Origin, e.Attempts[0].OriginPort = "mirror.example", 8443
	}
	if n >= 4 {
		e.Phases = fullEnd().Phases
	}
	return e
}

// encode returns the name and the bytes of r as they are written now.
func encode(t testing.TB, r Record) (string, []byte) {
	t.Helper()
	switch {
	case r.Kind == KindStart:
		return "start", AppendStart(nil, r.Start)
	case r.Kind == KindBegin:
		return "begin", AppendBegin(nil, r.Begin)
	case r.Kind == KindEnd:
		return "end", AppendEnd(nil, r.End)
	case r.Kind == KindStop:
		return "stop", AppendStop(nil, r.Time)
	case r.Kind == KindExchange:
		return "exchange", AppendExchange(nil, &r)
	case r.Mark.Source != "":
		return "mark", AppendMark(nil, r.Time, r.Mark)
	case r.Left != Session{}:
		return "left", AppendLeft(nil, r.Time, r.Left)
	}
	require.Equal(t, KindTick, r.Kind)
	return "tick", AppendTick(nil, r.Time)
}

// TestEveryShapeIsRead: what any Modtap of before has written says today what it said
// then, and what it couldn't say is zero.
func TestEveryShapeIsRead(t *testing.T) {
	golden(t, func(name string, rec []byte, want Record) {
		got, err := Decode(rec)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
		_, again := encode(t, got)
		same, err := Decode(again)
		require.NoError(t, err, name)
		assert.Equal(t, want, same, "%s, written by this Modtap", name)
	})
}

// allKinds are the kinds of records that are written now.
var allKinds = []string{"start", "tick", "left", "mark", "stop", "begin", "end", "exchange"}

// TestTheShapeIsKept: nothing is written otherwise than the newest golden records say.
func TestTheShapeIsKept(t *testing.T) {
	var all []string
	for _, kind := range allKinds {
		name, rec := encode(t, goldenRecord(shape, kind))
		all = append(all, name+" "+hex.EncodeToString(rec)+"\n")
	}
	path := filepath.Join("testdata", "records", strconv.Itoa(shape))
	if *update {
		require.NoFileExists(t, path, "a shape that was written once is kept: raise shape")
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(all, "")), 0o644)) //nolint:gosec // it is committed
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run this test with -update")
	assert.Equal(t, string(want), strings.Join(all, ""), "raise shape, and run this test with -update")
}

// TestGoldenRecordsSayAll: no field can be added without the golden records having it.
func TestGoldenRecordsSayAll(t *testing.T) {
	e := goldenEnd(shape)
	for _, record := range []any{*goldenBegin(shape), *e, e.Attempts[0], e.Phases[0]} {
		v := reflect.ValueOf(record)
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			switch name {
			case "Attempt.Error", "Attempt.Direct": // the second attempt's
			case "Attempt.Request", "Begin.Request", "Attempt.Leak": // not recorded
			default:
				assert.False(t, v.Field(i).IsZero(), "%s: give it a value in fullBegin or fullEnd, and take it away for older shapes in goldenBegin or goldenEnd", name)
			}
		}
	}
}

// TestAnOlderModtapReadsWhatIsWrittenNow, which knows the fields of its own shape and
// skips those behind them: of each kind that it has written itself, a record of now is one
// of then with fields more.
func TestAnOlderModtapReadsWhatIsWrittenNow(t *testing.T) {
	older := make(map[string][]byte)
	golden(t, func(name string, rec []byte, _ Record) { older[name] = rec })
	for n := 6; n < shape; n++ { // the first shape whose readers skip what they don't know
		for _, kind := range allKinds {
			then, now := older[strconv.Itoa(n)+" "+kind], older[strconv.Itoa(shape)+" "+kind]
			if then == nil {
				continue // a kind that it leaves out as a whole
			}
			requireMore(t, n, kind, then, now)
		}
	}
}

// requireMore asserts that a record of now is one of the nth shape with fields more: at its
// end, at the end of what it is made of, and at the end of an attempt.
func requireMore(t *testing.T, n int, kind string, then, now []byte) {
	t.Helper()
	switch kind {
	case "exchange":
		const fixed = 9 // kind and time
		require.Equal(t, then[:fixed], now[:fixed])
		was, is := decoder{s: string(then[fixed:])}, decoder{s: string(now[fixed:])}
		for tag, old, ok := was.field(); ok; tag, old, ok = was.field() {
			same, more, _ := is.field()
			require.Equal(t, tag, same, "%s of shape %d", kind, n)
			part := map[byte]string{wholeBegin: "begin", wholeEnd: "end"}[tag]
			requireMore(t, n, part, []byte(old.s), []byte(more.s))
		}
		is.skipFields()
		assert.False(t, is.bad, "%s of shape %d", kind, n)
		return
	case "end":
		was, is := goldenEnd(n), goldenEnd(shape)
		for i := range is.Attempts {
			now = bytes.Replace(now, appendAttempt(nil, &is.Attempts[i]), appendAttempt(nil, &was.Attempts[i]), 1)
		}
	}
	more, ok := bytes.CutPrefix(now, then)
	require.True(t, ok, "%s of shape %d", kind, n)
	d := decoder{s: string(more)}
	d.skipFields()
	assert.False(t, d.bad, "%s of shape %d", kind, n)
}

// newer returns rec as a newer Modtap might write it: with fields that aren't known.
func newer(rec []byte) []byte {
	rec = append(appendField(slices.Clone(rec), 100, 0), 255, 3, 0)
	rec = append(rec, "new"...)
	return append(appendField(rec, 7, 300), make([]byte, 300)...)
}

// TestNewerRecordsAreRead: what a newer Modtap adds is skipped, wherever it may add
// something, and what it says besides is read.
func TestNewerRecordsAreRead(t *testing.T) {
	for _, kind := range []string{"start", "left", "mark", "stop", "begin", "end", "exchange"} { // who adds to a tick writes what Left is first
		want := goldenRecord(shape, kind)
		_, rec := encode(t, want)
		got, err := Decode(newer(rec))
		require.NoError(t, err, kind)
		assert.Equal(t, want, got, kind)
		for n := len(rec) + 1; n < len(newer(rec)); n++ {
			if n == len(rec)+3 || n == len(rec)+9 {
				continue // whole fields
			}
			_, err := Decode(newer(rec)[:n])
			require.ErrorIs(t, err, ErrRecord, "%s, torn at byte %d", kind, n)
		}
	}

	for _, kind := range []Kind{kinds, 100, 255} {
		rec := append(appendTime([]byte{byte(kind)}, 77), "of any form"...)
		got, err := Decode(rec)
		require.NoError(t, err)
		assert.Equal(t, Record{Kind: kind, Time: 77}, got, "every record has its time")
		_, err = Decode(rec[:8])
		require.ErrorIs(t, err, ErrRecord)
	}
	_, err := Decode(appendTime([]byte{0}, 77))
	require.ErrorIs(t, err, ErrRecord, "what nothing was written to is no record")

	// What no Modtap knows of a begin stands within an exchange too.
	whole := goldenExchange(shape)
	rec := appendTime([]byte{byte(KindExchange)}, whole.Time)
	rec, at := openField(rec, wholeBegin)
	rec = closeField(newer(appendBegin(rec, whole.Begin)), at)
	rec, at = openField(rec, wholeEnd)
	rec = closeField(newer(appendEnd(rec, whole.End, maxAttempts)), at)
	got, err := Decode(rec)
	require.NoError(t, err)
	assert.Equal(t, Record{Kind: KindExchange, Time: whole.Time, Begin: whole.Begin, End: whole.End}, got)

	// A key that is longer, and one that is none.
	b := goldenBegin(shape)
	plain := *b
	plain.ClientKey = ClientKey{}
	rec = AppendBegin(nil, &plain)
	got, err = Decode(append(append(appendField(slices.Clone(rec), beginClientKey, 12), b.ClientKey[:]...), "more"...))
	require.NoError(t, err)
	assert.Equal(t, b, got.Begin)
	got, err = Decode(append(appendField(slices.Clone(rec), beginClientKey, 2), 1, 2))
	require.NoError(t, err)
	assert.Equal(t, &plain, got.Begin)
}

// TestAttemptsOfANewerModtap have fields of their own, and answers to yes and no, that
// are skipped.
func TestAttemptsOfANewerModtap(t *testing.T) {
	for _, i := range []int{0, 1} {
		want := goldenEnd(shape)
		old := appendAttempt(nil, &want.Attempts[i])
		flags, fields := ofAttempt(old)
		own := old[min(fields+2, len(old)):]
		extra := newer(nil)
		changed := slices.Clone(old[:fields])
		changed[flags] |= attemptFields | 0x80
		changed = binary.LittleEndian.AppendUint16(changed, uint16(len(own)+len(extra)))
		changed = slices.Concat(changed, own, extra)
		rec := AppendEnd(nil, want)
		require.Equal(t, 1, bytes.Count(rec, old))
		got, err := Decode(newer(bytes.Replace(rec, old, changed, 1)))
		require.NoError(t, err)
		assert.Equal(t, want, got.End)

		changed[len(changed)-len(extra)] = 255 // a field longer than the attempt says
		changed[len(changed)-len(extra)+2] = 255
		_, err = Decode(bytes.Replace(rec, old, changed, 1))
		require.ErrorIs(t, err, ErrRecord)
	}
}

// ofAttempt returns where the flags of an attempt stand, and its own fields.
func ofAttempt(rec []byte) (flags, fields int) {
	d := decoder{s: string(rec)}
	d.time()
	d.varint()
	d.varint()
	d.span()
	for range 3 {
		_ = d.string()
	}
	d.uvarint()
	d.varint()
	_ = d.string()
	d.varint()
	_ = d.string()
	d.varint()
	flags = len(rec) - len(d.s)
	if d.byte()&attemptRedirected != 0 {
		_ = d.string()
		d.uvarint()
	}
	return flags, len(rec) - len(d.s)
}

// TestListsOfANewerModtap are longer: what is beyond our bound is left out, and what
// follows is read.
func TestListsOfANewerModtap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		want := goldenEnd(shape)
		want.Cache.Headers, want.Attempts = nil, nil
		headers, attempts := 1+r.IntN(3*maxHeaders), 1+r.IntN(3*maxAttempts)
		var h, a []byte
		for i := range headers {
			v := Header{strconv.Itoa(i), "x"}
			h = appendString(appendString(h, v.Name, maxShort), v.Value, maxLine)
			want.Cache.Headers = append(want.Cache.Headers, v)
		}
		for i := range attempts {
			v := Attempt{Start: Time(i), Duration: time.Second}
			a = appendAttempt(a, &v)
			want.Attempts = append(want.Attempts, v)
		}
		bare := *want
		bare.Cache.Headers, bare.Attempts = nil, nil
		rec := AppendEnd(nil, &bare)
		before := slices.Concat(appendString(nil, string(want.Cache.Embedded), maxShort), appendString(nil, want.Cache.MissReason, maxShort))
		at := bytes.Index(rec, before) + len(before)
		require.Equal(t, []byte{0, 0}, rec[at:at+2])
		rec = slices.Concat(rec[:at], binary.AppendUvarint(nil, uint64(headers)), h, binary.AppendUvarint(nil, uint64(attempts)), a, rec[at+2:])

		want.Cache.Headers = want.Cache.Headers[:min(headers, maxHeaders)]
		want.Attempts = want.Attempts[:min(attempts, maxAttempts)]
		got, err := Decode(rec)
		require.NoError(t, err)
		assert.Equal(t, want, got.End)
	}
	for _, n := range []uint64{1 << 20, 1 << 63} {
		rec := AppendBegin(nil, &Begin{})
		at := len(rec) - 3 // the number of candidates
		_, err := Decode(slices.Concat(rec[:at], binary.AppendUvarint(nil, n), rec[at+1:]))
		require.ErrorIs(t, err, ErrRecord, "more than there are bytes")
	}
}
