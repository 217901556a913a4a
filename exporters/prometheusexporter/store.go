// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// store holds the last point of each series as it is shown. One lock is enough:
// a scrape holds it only to collect pointers, and what they point to is never
// changed again, so a page shows whole batches.
type store struct {
	expiration time.Duration // 0 for never.
	now        func() time.Time

	mu       sync.Mutex
	names    names
	families map[string]*family
	claims   map[string]*family // Every name that a family's samples have.
	swept    time.Time
	labels   []label // Scratch.
	key      []byte  // Scratch.
}

var _ prometheus.Gatherer = (*store)(nil)

func newStore(expiration time.Duration) *store {
	return &store{
		expiration: expiration,
		now:        time.Now,
		names:      newNames(),
		families:   map[string]*family{},
		claims:     map[string]*family{},
	}
}

// family is all series of one name.
type family struct {
	name, help *string
	kind       dto.MetricType
	series     map[string]*series
	order      []*series // By key, unless unsorted.
	unsorted   bool
}

func (f *family) add(key string) *series {
	one := &series{key: key}
	f.series[key] = one
	f.order = append(f.order, one)
	f.unsorted = true
	return one
}

// claimed lists the names that the samples of a family have in any of the formats.
func claimed(name string, kind dto.MetricType) []string {
	switch kind {
	case dto.MetricType_HISTOGRAM:
		return []string{name, name + "_bucket", name + "_sum", name + "_count"}
	case dto.MetricType_COUNTER:
		// OpenMetrics names the family without the suffix.
		if base := name[:max(0, len(name)-len("_total"))]; base != "" && base+"_total" == name {
			return []string{name, base}
		}
	}
	return []string{name}
}

// family returns the family of this name and kind. Whoever comes first decides
// kind and help; another kind, or a name that collides, is an error.
func (s *store) family(name, help string, kind dto.MetricType) (*family, error) {
	if f, ok := s.families[name]; ok {
		if f.kind != kind {
			return nil, fmt.Errorf("%s is a %s already, not a %s", name, kindName(f.kind), kindName(kind))
		}
		return f, nil
	}
	taken := claimed(name, kind)
	for _, claim := range taken {
		if f, ok := s.claims[claim]; ok {
			return nil, fmt.Errorf("%s %s collides with %s %s", kindName(kind), name, kindName(f.kind), *f.name)
		}
	}
	f := &family{name: &name, help: &help, kind: kind, series: map[string]*series{}}
	s.families[name] = f
	for _, claim := range taken {
		s.claims[claim] = f
	}
	return f, nil
}

func kindName(kind dto.MetricType) string {
	switch kind {
	case dto.MetricType_COUNTER:
		return "counter"
	case dto.MetricType_GAUGE:
		return "gauge"
	default:
		return "histogram"
	}
}

// partKind tells the two parts of a histogram from each other; other series have
// the first alone.
type partKind uint8

const (
	plain  partKind = iota // Classic buckets.
	native                 // Exponential buckets.
	partKinds
)

// part is what one instrument has told of a series.
type part struct {
	start, at pcommon.Timestamp // 0 if unknown.
	seen      time.Time
	metric    *dto.Metric // nil if there is none. With the labels; never changed.
}

// follows tells whether p may be shown after last: its series doesn't start
// earlier, and of one start it is not older and nothing of it goes back.
func (p part) follows(last part) bool {
	known := p.start != 0 && last.start != 0
	switch {
	case last.metric == nil:
		return true
	case known && p.start != last.start:
		return p.start > last.start
	case p.at < last.at:
		return false
	case !known || p.metric == nil:
		return true // Without a start a reset can't be told from an error.
	default:
		return p.metric.GetCounter().GetValue() >= last.metric.GetCounter().GetValue() &&
			p.metric.GetHistogram().GetSampleCount() >= last.metric.GetHistogram().GetSampleCount()
	}
}

type series struct {
	key    string
	labels []*dto.LabelPair
	parts  [partKinds]part
	shown  *dto.Metric // nil if no part is there.
}

// set takes a part unless a later one is there. A nil metric says that the
// instrument has ended.
func (s *series) set(kind partKind, p part) {
	if !p.follows(s.parts[kind]) {
		return
	}
	s.parts[kind] = p
	s.show()
}

func (s *series) show() {
	first, second := s.parts[plain], s.parts[native]
	switch {
	case second.metric == nil:
		s.shown = first.metric
	case first.metric == nil:
		s.shown = second.metric
	default:
		s.shown = combine(first, second)
	}
}

// expire drops the parts that came before the given time, and tells whether
// nothing is left.
func (s *series) expire(before time.Time) bool {
	dropped := false
	for kind := range s.parts {
		if s.parts[kind].metric != nil && s.parts[kind].seen.Before(before) {
			s.parts[kind] = part{}
			dropped = true
		}
	}
	if dropped {
		s.show()
	}
	return s.shown == nil
}

// sweep removes what has expired or ended, and frees the names of families of
// which nothing is left.
func (s *store) sweep(now time.Time) {
	s.swept = now
	var before time.Time
	if s.expiration > 0 {
		before = now.Add(-s.expiration)
	}
	for name, f := range s.families {
		f.order = slices.DeleteFunc(f.order, func(one *series) bool {
			gone := one.expire(before)
			if gone {
				delete(f.series, one.key)
			}
			return gone
		})
		if len(f.series) == 0 {
			delete(s.families, name)
			for _, claim := range claimed(name, f.kind) {
				delete(s.claims, claim)
			}
		}
	}
}

// Gather collects what is shown now, each family in the order of its labels.
func (s *store) Gather() ([]*dto.MetricFamily, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(s.now())
	gathered := make([]*dto.MetricFamily, 0, len(s.families))
	for _, f := range s.families {
		if f.unsorted {
			slices.SortFunc(f.order, func(a, b *series) int { return strings.Compare(a.key, b.key) })
			f.unsorted = false
		}
		metrics := make([]*dto.Metric, len(f.order))
		for i, one := range f.order {
			metrics[i] = one.shown
		}
		gathered = append(gathered, &dto.MetricFamily{Name: f.name, Help: f.help, Type: f.kind.Enum(), Metric: metrics})
	}
	return gathered, nil
}

// faults collects what is refused of a batch, bounded in length.
type faults struct {
	errs  []error
	count int
}

const maxFaults = 10

func (f *faults) add(metric string, err error) {
	f.count++
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, fmt.Errorf("metric %q: %w", metric, err))
	}
}

func (f *faults) err() error {
	if more := f.count - len(f.errs); more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("and %d more", more))...)
	}
	return errors.Join(f.errs...)
}
