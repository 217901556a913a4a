// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package heavy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/internal/exchange"
)

const begun exchange.Time = 1_700_000_000_000_000_000

func at(d time.Duration) exchange.Time { return begun.Add(d) }

// counts are all series' requests, by key and class.
func counts(t *Table) map[string]int64 {
	got := make(map[string]int64)
	for _, s := range t.Series() {
		for class, v := range s.Values {
			got[s.Key+" "+class] += v.Requests
		}
	}
	return got
}

func one(t *Table, key string, when time.Duration) { t.Add(key, "hit", Value{1, 10}, at(when)) }

func TestKeysGetSeriesAsLongAsOneIsFree(t *testing.T) {
	table := New(Settings{Series: 2})
	one(table, "a", 0)
	one(table, "b", 0)
	one(table, "c", 0)
	table.Add("a", "miss", Value{1, 5}, at(0))
	assert.Equal(t, map[string]int64{"a hit": 1, "a miss": 1, "b hit": 1, Other + " hit": 1}, counts(table))
	series := table.Series()
	assert.Equal(t, []string{"a", "b", Other}, []string{series[0].Key, series[1].Key, series[2].Key})
	assert.Equal(t, map[string]Value{"hit": {1, 10}, "miss": {1, 5}}, series[0].Values)
}

func TestWithoutSeriesAllIsOther(t *testing.T) {
	table := New(Settings{})
	one(table, "a", 0)
	one(table, Other, time.Hour)
	assert.Equal(t, map[string]int64{Other + " hit": 2}, counts(table))
}

func TestASeriesLeavesWhenItIsIdleAndNotBefore(t *testing.T) {
	table := New(Settings{Series: 1, IdleExpiry: time.Hour})
	one(table, "light", 0)
	for i := range 1000 {
		one(table, "heavy", time.Duration(i)*time.Second)
	}
	one(table, "light", 30*time.Minute)
	one(table, "heavy", 90*time.Minute-1)
	assert.Equal(t, map[string]int64{"light hit": 2, Other + " hit": 1001}, counts(table), "idle for less than an hour")
	assert.Empty(t, table.Left())

	one(table, "heavy", 90*time.Minute)
	assert.Equal(t, map[string]int64{"heavy hit": 1, Other + " hit": 1001}, counts(table), "what was counted before stays in other")
	require.Len(t, table.Left(), 1)
	assert.Equal(t, "light", table.Left()[0].Key)
	one(table, "light", 91*time.Minute)
	assert.Equal(t, map[string]int64{"heavy hit": 1, Other + " hit": 1002}, counts(table), "light has none any more")

	one(table, "light", 4*time.Hour)
	assert.Equal(t, map[string]int64{"light hit": 3, Other + " hit": 1002}, counts(table), "it goes on where it was")
	assert.Equal(t, at(0), table.Series()[0].Since)
	assert.Equal(t, "heavy", table.Left()[0].Key)
}

func TestTimeNeverGoesBack(t *testing.T) {
	table := New(Settings{Series: 1, IdleExpiry: time.Hour})
	one(table, "a", 2*time.Hour)
	one(table, "a", 0)
	one(table, "b", 3*time.Hour-1)
	assert.Equal(t, map[string]int64{"a hit": 2, Other + " hit": 1}, counts(table))
}

// TestHeavyKeysAreFoundInJunk: Zipf-distributed modules among as many requests for
// junk that comes once or a few times, the junk first.
func TestHeavyKeysAreFoundInJunk(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.2, 1, 999)
	table := New(Settings{Series: 100, IdleExpiry: time.Minute})
	exact := make(map[string]int64)
	var half map[string]int64
	for i := range 300 {
		one(table, fmt.Sprint("early junk ", i), 0)
	}
	assert.Len(t, table.Series(), 101)
	for i := range 200_000 {
		key := fmt.Sprint("module ", zipf.Uint64())
		if i%2 == 0 {
			key = fmt.Sprint("junk ", random.IntN(100_000))
		}
		if i == 100_000 {
			half = counts(table)
			clear(exact)
		}
		exact[key]++
		one(table, key, time.Minute+time.Duration(i)*time.Millisecond)
	}
	shown := counts(table)
	for i := range 20 {
		key := fmt.Sprint("module ", i)
		assert.Equal(t, exact[key], shown[key+" hit"]-half[key+" hit"], key)
	}
}

// identified are all series' requests by key, class and beginning, which together
// are a series' identity.
func identified(t *Table) map[string]int64 {
	got := make(map[string]int64)
	for _, s := range t.Series() {
		for class, v := range s.Values {
			got[fmt.Sprintf("%s %s %d", s.Key, class, s.Since)] = v.Requests
		}
	}
	return got
}

// TestSums: whatever comes, each count goes to one series and stays there, no
// series goes back, and there are at most N and one.
func TestSums(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, seed))
		settings := Settings{Series: random.IntN(12), IdleExpiry: time.Duration(1+random.IntN(60)) * time.Minute}
		keys, classes := 1+random.IntN(500), []string{"hit", "miss", "bypass"}
		table := New(settings)
		twin := New(settings)
		ever := make(map[string]int64) // the last value of each series that was ever seen
		var now time.Duration
		for range 5000 {
			before := identified(table)
			key, class := strconv.Itoa(int(random.ExpFloat64()*float64(keys)/4)), classes[random.IntN(3)]
			now += time.Duration(random.ExpFloat64() * float64(settings.IdleExpiry) / 50)
			table.Add(key, class, Value{1, 3}, at(now))
			twin.Add(key, class, Value{1, 3}, at(now))
			after := identified(table)

			var increase int64
			for name, n := range after {
				old, there := before[name]
				if !there {
					old = ever[name] // 0, or where it left
				}
				require.GreaterOrEqual(t, n, old, "no series goes back")
				increase += n - old
				ever[name] = n
			}
			require.EqualValues(t, 1, increase)
			require.LessOrEqual(t, len(table.Series()), settings.Series+1)
			require.LessOrEqual(t, len(table.parked), perSeries*settings.Series)
			if random.IntN(500) == 0 { // a restart, through what a checkpoint would store
				b, err := json.Marshal(twin.State())
				require.NoError(t, err)
				var state State
				require.NoError(t, json.Unmarshal(b, &state))
				twin = Restore(settings, state)
			}
		}
		require.Equal(t, table.State(), twin.State(), "the same stream gives the same, over restarts")
	}
}

func TestRestoreWithFewerSeries(t *testing.T) {
	table := New(Settings{Series: 10})
	for i := range 5 {
		one(table, strconv.Itoa(i), time.Duration(i)*time.Second)
	}
	less := Restore(Settings{Series: 2}, table.State())
	assert.Equal(t, map[string]int64{"3 hit": 1, "4 hit": 1}, counts(less), "those that counted last stay")
	assert.Len(t, less.Left(), 3)
	none := Restore(Settings{}, table.State())
	one(none, "4", time.Minute)
	assert.Equal(t, map[string]int64{Other + " hit": 1}, counts(none))
}

func TestStateIsACopy(t *testing.T) {
	table := New(Settings{Series: 10})
	one(table, "a", 0)
	state := table.State()
	one(table, "a", 0)
	assert.EqualValues(t, 1, state.Shown[0].Values["hit"].Requests)
	restored := Restore(Settings{Series: 10}, state)
	one(restored, "a", 0)
	assert.EqualValues(t, 1, state.Shown[0].Values["hit"].Requests)
	assert.Equal(t, table.State(), restored.State())
}

// TestSketch holds Space-Saving against exact counts: it watches every key with
// more than total/capacity counts, and errs by no more than that.
func TestSketch(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(random, 1.1, 1, 5000)
	s := newSketch(50)
	exact := make(map[string]int64)
	for i := range 50_000 {
		key := strconv.FormatUint(zipf.Uint64(), 10)
		exact[key]++
		sure := s.add(key)
		require.LessOrEqual(t, sure, exact[key])
		require.Positive(t, sure)
		if i%1000 == 0 {
			require.Equal(t, lightest(s.heap), s.heap[0].Count)
		}
	}
	require.Len(t, s.heap, 50)
	watched := make(map[string]bool)
	for i, w := range s.heap {
		watched[w.Key] = true
		assert.Equal(t, i, s.at[w.Key])
		assert.GreaterOrEqual(t, w.Count, exact[w.Key])
		assert.LessOrEqual(t, w.Count-w.Error, exact[w.Key])
		assert.LessOrEqual(t, w.Error, s.total/50)
	}
	for key, n := range exact {
		assert.True(t, n <= s.total/50 || watched[key], key)
	}
	s.halve()
	for i, w := range s.heap {
		assert.Equal(t, i, s.at[w.Key])
		assert.GreaterOrEqual(t, w.Count, s.heap[(i-1)/2].Count*min(1, int64(i)), "still a heap")
	}
}

func lightest(heap []Watched) int64 {
	return slices.MinFunc(heap, func(a, b Watched) int { return int(a.Count - b.Count) }).Count
}

// TestMillion: a million requests over 200,000 keys take no more memory than the
// first hundred thousand.
func TestMillion(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	zipf := rand.NewZipf(random, 1.1, 1, 200_000)
	table := New(Settings{Series: 100})
	start := time.Now()
	var early uint64
	for i := range 1_000_000 {
		one(table, fmt.Sprintf("example.com/some/module/%d", zipf.Uint64()), time.Duration(i)*time.Millisecond)
		if i == 100_000 {
			early = heapInUse()
		}
	}
	t.Logf("%s, %d KiB after 100,000 and %d KiB after 1,000,000 events", time.Since(start), early>>10, heapInUse()>>10)
	assert.Less(t, heapInUse(), early+1<<20)
	var sum int64
	for _, n := range counts(table) {
		sum += n
	}
	assert.EqualValues(t, 1_000_000, sum)
	assert.LessOrEqual(t, len(table.Series()), 101)
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkAdd(b *testing.B) {
	keys := make([]string, 1<<16)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(7, 8)), 1.1, 1, 200_000)
	for i := range keys {
		keys[i] = fmt.Sprint("example.com/some/module/", zipf.Uint64())
	}
	table := New(Settings{Series: 100})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.Add(keys[i%len(keys)], "hit", Value{1, 1}, begun)
		i++
	}
}
