// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modtap/modtap/test/backends"
	"github.com/modtap/modtap/test/port"
)

// suite has what all faults share: the real backends, with a gate before those
// that Modtap sends to, the origin and the control.
type suite struct {
	es         *backends.ElasticsearchServer
	jaeger     *backends.JaegerServer
	prometheus *backends.PrometheusServer
	toES       *gate
	toJaeger   *gate
	origin     *origin
	control    *modtap
	ports      []string // of the Modtap that is broken: Prometheus knows one of them
	table      table
	failures   []string // a line for each fault that failed
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{origin: newOrigin(t), ports: port.Addresses(t, 3)}
	s.es, s.jaeger = backends.Elasticsearch(t), backends.Jaeger(t)
	s.prometheus = backends.Prometheus(t, backends.PrometheusOptions{Scrape: []string{s.ports[1]}})
	s.toES, s.toJaeger = newGate(t, s.es.URL), newGate(t, s.jaeger.OTLPHTTP)
	s.control = s.untold(t, filepath.Join(t.TempDir(), "data"), port.Addresses(t, 3))
	warm := s.client(s.control)
	s.control.start(func() error { return warm.get(s.origin.paths[0]) })
	warm.close()
	return s
}

// untold is a pass-through Modtap that tells nothing to nobody.
func (s *suite) untold(tb testing.TB, data string, ports []string) *modtap {
	tb.Helper()
	return newModtap(tb, ports, data, "MODTAP_UPSTREAM="+s.origin.URL, "MODTAP_LOG=off")
}

func (s *suite) client(m *modtap) *client {
	return &client{address: m.proxy, files: s.origin.files}
}

// run is one fault: a Modtap under load, and what is known of it.
type run struct {
	*suite

	t       *witness
	load    *load
	name    string
	modtap  *modtap
	log     string // the JSON log
	scraper *scraper
	began   time.Time
	gone    []outage
	paused  bool      // for a while, so latency says nothing
	garbled int       // documents that are there, or were sent, otherwise than they were told
	behind  int       // at most, what was in the journal alone when that was damaged
	starts  []restart // each start but the first
	spans   evidence  // read before Jaeger forgot them
}

// outage is a time in which Modtap was not to be reached, for a kill or a stop.
type outage struct{ from, to time.Time }

// under runs a fault: it starts a Modtap and the load, lets the fault happen,
// waits for the drain, and compares. The fault may end the load before.
func (s *suite) under(t *testing.T, name string, fault func(r *run), options ...option) {
	t.Run(name, func(t *testing.T) {
		var o settings
		for _, set := range options {
			set(&o)
		}
		if o.before != nil {
			o.before(t)
		}
		w := &witness{T: t}
		defer func() {
			if t.Failed() {
				s.failures = append(s.failures, "FAILED "+name+": "+strings.Join(w.failures, "; "))
			}
		}()
		r := &run{suite: s, t: w, name: name, began: time.Now(), spans: evidence{}}
		r.log = filepath.Join(t.TempDir(), "requests.jsonl")
		if o.log != nil {
			r.log = o.log(t)
		}
		data := filepath.Join(t.TempDir(), "data")
		if o.data != nil {
			data = o.data(t)
		}
		r.modtap = newModtap(w, s.ports, data, append([]string{
			"MODTAP_UPSTREAM=" + s.origin.URL, "MODTAP_SERVICE_NAME=" + name, "MODTAP_LOG=" + r.log,
			"MODTAP_ELASTICSEARCH=" + s.toES.URL, "MODTAP_JAEGER=" + s.toJaeger.URL,
		}, o.env...)...)
		r.load = &load{target: s.client(r.modtap), control: s.client(s.control), paths: s.origin.paths, rare: o.rare}
		r.scraper = newScraper(r.modtap.metrics)
		t.Cleanup(r.scraper.close)
		t.Cleanup(r.load.target.close)
		t.Cleanup(r.load.control.close)
		r.modtap.start(r.ask)
		r.load.begin()
		t.Cleanup(r.load.end)
		fault(r)
		r.load.end()
		r.compare(&o)
	})
}

// underFull is under, for what the short form has no time for.
func (s *suite) underFull(t *testing.T, name string, fault func(r *run), options ...option) {
	if full {
		s.under(t, name, fault, options...)
	}
}

// ask sends one request of the load's kind.
func (r *run) ask() error { return r.load.target.get(r.origin.paths[0]) }

// settings are what a fault needs to be different.
type settings struct {
	// log and data say where these are; nil: in a directory of their own.
	log, data func(*testing.T) string
	env       []string // more variables
	// rare is a file that is asked for once in a hundred requests.
	rare string
	// losses are what a fault may cost.
	losses []loss
	// unequal says that the backends needn't have equally many in the end.
	unequal bool
	// garbled is how many bytes of what was told may have been changed on the disk,
	// in ids too.
	garbled int
	// unscraped says that Prometheus wasn't there.
	unscraped bool
	// before prepares the backends. Elasticsearch refuses documents of the rare
	// file then.
	before func(*testing.T)
}

// loss is what a fault may cost one backend.
type loss struct {
	backend string   // one of backendNames
	counter []string // parts of the name and labels of what counts it
	exact   bool     // to the last exchange
	most    int      // if it isn't exact: damage hides how much it hit; [run.behind] if that is more
}

// loss returns what may be lost on the way to a backend; false: nothing.
func (o *settings) loss(backend string) (loss, bool) {
	at := slices.IndexFunc(o.losses, func(l loss) bool { return l.backend == backend })
	if at < 0 {
		return loss{}, false
	}
	return o.losses[at], true
}

type option func(*settings)
