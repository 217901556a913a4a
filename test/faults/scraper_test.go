// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// requestDuration counts the ingress requests.
const requestDuration = "http_server_request_duration_seconds"

// scraper reads the metrics page ten times a second, over restarts, and sees to
// it that no series of the product goes back.
type scraper struct {
	url     string
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	scrapes  int
	faults   []string // series that went back, or lost their start
	resets   []string // series that began anew, with a later start time
	series   map[string]point
	requests float64            // on the last page
	counted  map[string]float64 // Modtap's own counters, summed over its restarts
	last     map[string]float64 // their last values
}

// point is the last reading of a series that only rises.
type point struct {
	start time.Time // when its counting began
	value float64
}

func newScraper(address string) *scraper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scraper{
		url: "http://" + address + "/metrics", stop: cancel,
		series: map[string]point{}, counted: map[string]float64{}, last: map[string]float64{},
	}
	s.running.Go(func() {
		client := &http.Client{Transport: new(http.Transport), Timeout: 30 * time.Second}
		defer client.CloseIdleConnections()
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for {
			_ = s.scrape(ctx, client) // a killed Modtap has no page
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
		}
	})
	return s
}

func (s *scraper) close() {
	s.stop()
	s.running.Wait()
}

// scrape reads the page once; a page that ends too early doesn't count.
func (s *scraper) scrape(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return err
	}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	request.Header.Set("Accept", string(format)) // the only format with start times of all series
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	var page []*dto.MetricFamily
	for decoder := expfmt.NewDecoder(answer.Body, format); ; {
		family := new(dto.MetricFamily)
		if err := decoder.Decode(family); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		page = append(page, family)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrapes++
	s.requests = 0
	for _, family := range page {
		for _, metric := range family.GetMetric() {
			s.read(family.GetName(), metric)
		}
	}
	return nil
}

func (s *scraper) read(name string, metric *dto.Metric) {
	own := strings.HasPrefix(name, "otelcol_")
	if !own && !strings.HasPrefix(name, "http_") && !strings.HasPrefix(name, "goproxy_") {
		return
	}
	key := seriesOf(name, metric)
	switch {
	case own && metric.GetCounter() != nil:
		// A process counts for itself from zero.
		value := metric.GetCounter().GetValue()
		if value < s.last[key] {
			s.last[key] = 0
		}
		s.counted[key] += value - s.last[key]
		s.last[key] = value
	case own:
	case metric.GetCounter() != nil:
		s.rises(key, metric.GetCounter().GetCreatedTimestamp().AsTime(), metric.GetCounter().GetValue())
	case metric.GetHistogram() != nil:
		h := metric.GetHistogram()
		start := h.GetCreatedTimestamp().AsTime()
		s.rises(key+" count", start, float64(h.GetSampleCount()))
		s.rises(key+" sum", start, h.GetSampleSum())
		for _, bucket := range h.GetBucket() {
			s.rises(fmt.Sprint(key, " le ", bucket.GetUpperBound()), start, float64(bucket.GetCumulativeCount()))
		}
		if name == requestDuration {
			s.requests += float64(h.GetSampleCount())
		}
	}
}

// seriesOf is the name and the labels of a series, for people too.
func seriesOf(name string, metric *dto.Metric) string {
	var b strings.Builder
	b.WriteString(name)
	for _, label := range metric.GetLabel() {
		fmt.Fprintf(&b, " %s=%q", label.GetName(), label.GetValue())
	}
	return b.String()
}

func (s *scraper) rises(key string, start time.Time, value float64) {
	before, known := s.series[key]
	s.series[key] = point{start, value}
	switch {
	case known && start.After(before.start):
		s.resets = append(s.resets, fmt.Sprintf("%s: from %v since %v to %v since %v", key, before.value, before.start, value, start))
	case known && start.Before(before.start):
		s.faults = append(s.faults, fmt.Sprintf("%s: its start went from %v to %v", key, before.start, start))
	case known && value < before.value:
		s.faults = append(s.faults, fmt.Sprintf("%s: from %v to %v", key, before.value, value))
	}
}

// total sums those of Modtap's own counters, over its restarts, whose name and
// labels have all parts.
func (s *scraper) total(parts ...string) (sum float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
next:
	for key, value := range s.counted {
		for _, part := range parts {
			if !strings.Contains(key, part) {
				continue next
			}
		}
		sum += value
	}
	return sum
}

// failures lists Modtap's own counters of losses and failures that aren't zero.
func (s *scraper) failures() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value := range s.counted {
		if value > 0 && failure.MatchString(key) {
			list = append(list, fmt.Sprint(key, " ", value))
		}
	}
	slices.Sort(list)
	return list
}

var failure = regexp.MustCompile(`^otelcol_\w*(lost|dropped|failed|rejected|salvaged)`)

// answered is how many ingress requests the last page counts.
func (s *scraper) answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.requests)
}
