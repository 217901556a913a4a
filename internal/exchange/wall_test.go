// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestOnWallMovesEveryTime: there is none that it forgets, whatever is added.
func TestOnWallMovesEveryTime(t *testing.T) {
	b, e := fullBegin(), fullEnd()
	e.Attempts = e.Attempts[:1]
	b.Offset = time.Hour
	begin, end := OnWall(b, e)
	assert.Zero(t, begin.Offset)
	times := 0
	var compare func(was, is reflect.Value)
	compare = func(was, is reflect.Value) {
		switch {
		case was.Type() == reflect.TypeFor[Time]():
			times++
			assert.NotZero(t, was.Int())
			assert.Equal(t, was.Int()+int64(time.Hour), is.Int())
		case was.Kind() == reflect.Pointer:
			compare(was.Elem(), is.Elem())
		case was.Kind() == reflect.Struct:
			for i := range was.NumField() {
				compare(was.Field(i), is.Field(i))
			}
		case was.Kind() == reflect.Slice:
			for i := range was.Len() {
				compare(was.Index(i), is.Index(i))
			}
		}
	}
	compare(reflect.ValueOf(b), reflect.ValueOf(begin))
	compare(reflect.ValueOf(e), reflect.ValueOf(end))
	assert.Equal(t, 1+2+1+2*2, times)
	assert.Equal(t, fullEnd().Attempts[:1], e.Attempts, "the original stays")
	assert.Equal(t, fullEnd().Phases, e.Phases)

	back, too := OnRun(begin, end, time.Hour)
	assert.Equal(t, b, back)
	assert.Equal(t, e, too)

	_, never := OnWall(b, new(End))
	assert.Zero(t, never.FirstByte, "what isn't known stays so")
	b.Offset = 0
	same, too := OnWall(b, e)
	assert.Same(t, b, same)
	assert.Same(t, e, too)
}
