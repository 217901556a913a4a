// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
	"github.com/modtap/modtap/internal/eventid"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/journal"
	"github.com/modtap/modtap/internal/session"
	"github.com/modtap/modtap/internal/session/summary"
	"github.com/modtap/modtap/internal/signal"
)

// Settings are what an engine needs to know.
type Settings struct {
	// Resource is the observed proxy.
	Resource signal.Resource
	// Clock is what makes time pass. The zero value is [Wall].
	Clock Clock
	// Settle is how long the verdict on an exchange waits for evidence that isn't
	// conclusive yet. Zero: not at all.
	Settle time.Duration
	// Join says what may be concluded from the egress.
	Join cache.JoinSettings
	// Sessions say which requests belong to one build session, as they did when the
	// session was chosen.
	Sessions session.Settings
	// Hold is how long a batch that a consumer refuses is tried again before it
	// is counted as lost. Zero: it is tried once.
	Hold time.Duration
	// MetricsInterval is the time between two snapshots of changed metrics.
	// Zero: 1 s.
	MetricsInterval time.Duration
	// Buckets are the histograms' buckets. Empty: both.
	Buckets signal.Buckets
	// HeavyHitters says how many modules and clients are counted by name. Zero:
	// [signal.DefaultHeavyHitters].
	HeavyHitters signal.HeavyHitters
	// Readers tell what is read live, for each snapshot of the metrics.
	Readers []signal.Reader
	// Journal keeps the records. The engine closes it.
	Journal journal.Journal
	// Dir is where the checkpoint and the cursors are kept, so that the next run
	// goes on where this one ends, however it ends. Empty: nowhere.
	Dir string
	// Table is what the sessions are chosen from, by the receiver or, of whole
	// exchanges, by [Source.Exchange]; it is part of the checkpoint. Nil: there is none.
	Table *session.Table
	// Report is told why what is captured isn't safe from a crash, and nil when
	// it is again. Nil: nobody wants to know.
	Report func(error)
	// Consumers are where the signals go.
	Consumers Consumers
	// Receiver names, in the engine's own metrics, the receiver that captures.
	Receiver component.ID
	// Telemetry is for the engine's own log and metrics.
	Telemetry component.TelemetrySettings
}

// Consumers are the pipeline's; a signal without one isn't built.
type Consumers struct {
	Traces  consumer.Traces
	Metrics consumer.Metrics
	Logs    consumer.Logs
}

// Engine takes what one receiver captures up to the pipeline's consumers.
type Engine struct {
	settings Settings
	log      *zap.Logger
	active   signal.Active
	self     *selfMetrics

	clock   *runClock
	run     string
	ids     atomic.Uint64
	idle    atomic.Bool
	wake    chan struct{}
	stop    chan struct{}
	running sync.WaitGroup
	closing sync.Once

	read    journal.Position
	judging []byte // the settings by which what is read is judged, as a start record has them
	settler *cache.Settler
	tracker *summary.Tracker
	seq     uint64 // how many exchanges and sessions were told, over all runs
	// byPosition is set once seq isn't what it was in an earlier run.
	byPosition bool
	// toldSeq and toldAt are how far earlier runs have told any signal.
	toldSeq uint64
	toldAt  journal.Position
	live    bool          // what earlier runs left is read
	newer   bool          // a record of an unknown kind was read
	ended   bool          // nothing is recorded any more
	over    bool          // the stop record is written
	marks   *marks        // of what is read
	batch   []queued      // settled by the record that is being read
	kept    time.Time     // when the last checkpoint was made
	spacing time.Duration // until the next one
	keptAt  journal.Position

	sources sources
	pressed atomic.Bool // a source waits for room in the journal
	waits   atomic.Bool // something waits for time to pass

	tellers map[string]teller
	keeper  *keeper
	keeping sync.WaitGroup
}

// New returns an engine whose run begins now. It takes over what an earlier run
// left in [Settings.Dir]; the error says that this can't be written.
func New(s Settings) (*Engine, error) {
	if s.Journal == nil {
		return nil, errors.New("no journal")
	}
	if s.MetricsInterval == 0 {
		s.MetricsInterval = time.Second
	}
	e := &Engine{
		settings: s,
		log:      s.Telemetry.Logger,
		clock:    newRunClock(),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		marks:    newMarks(nil),
		sources:  sources{ready: make(chan struct{}), open: make(map[string]*Source)},
	}
	e.run = eventid.NewRun(e.clock.began)
	var err error
	if e.self, err = newSelfMetrics(&s); err != nil {
		return nil, fmt.Errorf("own metrics: %w", err)
	}
	e.judging = s.judging().encode()
	e.settler, e.tracker = e.judges(s.judging())
	e.keeper = &keeper{dir: s.Dir, journal: s.Journal, complete: make(chan *checkpoint, 2), report: s.Report, log: e.log}
	if s.Dir != "" {
		if e.keeper.cursors, err = openCursors(s.Dir, tracesSignal, logsSignal, metricsSignal); err != nil {
			return nil, err
		}
		e.toldSeq, e.toldAt = e.keeper.cursors.last()
	}
	from := e.keeper.load()
	e.takeOver(from)
	if from == nil && s.Dir != "" && e.toldSeq == 0 {
		e.keeper.saving = e.saveFirst()
	}
	return e, nil
}

// takeOver goes on from a checkpoint; nil: there is none, and all that the journal
// holds is read again, but told only behind the cursors.
func (e *Engine) takeOver(from *checkpoint) {
	switch {
	case from != nil:
		e.read, e.seq = from.Position, from.Seq
		if j, ok := e.otherwise(from.Judging); ok {
			e.judging = from.Judging
			e.settler, e.tracker = e.judges(j)
		}
		e.marks = newMarks(from.Marks)
		e.restore("exchanges", e.settler.UnmarshalBinary(from.Settler))
		e.restore("sessions", e.tracker.UnmarshalBinary(from.Tracker))
		if e.settings.Table != nil && from.Sessions != nil {
			e.restore("open sessions", e.settings.Table.Restore(from.Sessions))
		}
	case e.keeper.cursors != nil:
		e.seq, e.byPosition = e.toldSeq, true
	}
	e.tellers = e.newTellers(from)
}

// saveFirst saves the checkpoint of a first run, which knows nothing yet: so there is one
// for the next run however early this one is killed, and what that emits again has the
// ids that it had.
func (e *Engine) saveFirst() error {
	c := &checkpoint{Position: e.read, Seq: e.seq, Judging: e.judging}
	if err := e.fill(c); err != nil {
		return err
	}
	return c.save(e.settings.Dir)
}

// restore tells that a part of the checkpoint is lost, if it is.
func (e *Engine) restore(what string, err error) {
	if err != nil {
		e.log.Error("a part of the checkpoint is lost", zap.String("part", what), zap.Error(err))
	}
}

// Start opens the run and begins to tell.
func (e *Engine) Start() {
	if at := e.settings.Journal.Append(e.startRecord()); at <= e.read {
		e.log.Error("the journal is lost; the checkpoint isn't")
		e.self.dropped(1, "journal", reasonDamaged)
		e.read = 0
	}
	queues := make(map[string]*queue, len(e.tellers))
	for name, t := range e.tellers {
		queues[name] = t.queue
		e.running.Go(t.run)
	}
	if err := e.self.read(e.settings.Journal, queues, e.time); err != nil {
		e.log.Error("own metrics", zap.Error(err))
	}
	e.keeping.Go(e.keeper.run)
	e.running.Go(e.understand)
}

// Shutdown tells what has ended and returns when all is told or ctx is over; what
// isn't told then is told by the next run, or counted as lost where nothing is
// kept. Begin and End mustn't be called any more; what sources tell of is refused with
// [ErrStopped]. It may be called twice, and without Start.
func (e *Engine) Shutdown(ctx context.Context) {
	e.closing.Do(func() {
		e.sources.close()
		close(e.stop)
		for _, t := range e.tellers {
			defer context.AfterFunc(ctx, t.cancel)()
		}
		e.running.Wait()
		close(e.keeper.complete)
		e.keeping.Wait()
		for _, t := range e.tellers {
			t.cancel()
		}
		err := errors.Join(e.self.close(), e.settings.Journal.Close())
		if e.keeper.cursors != nil {
			err = errors.Join(err, e.keeper.cursors.close())
		}
		if err != nil {
			e.log.Error("what is kept wasn't closed well", zap.Error(err))
		}
	})
}

// now is the time by the run's clock.
func (e *Engine) now() exchange.Time { return e.clock.now() }

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

// Begin records that a request arrived; it sets b's ID, Time and Offset.
func (e *Engine) Begin(b *exchange.Begin) {
	b.ID = e.ids.Add(1)
	b.Time = e.now()
	b.Offset = e.clock.ahead(b.Time)
	if b.Side == exchange.Ingress {
		e.active.Begin(b)
	}
	buf := buffers.Get().(*[]byte)
	*buf = exchange.AppendBegin((*buf)[:0], b)
	e.settings.Journal.Append(*buf)
	buffers.Put(buf)
}

// End records that the exchange that began with b is over; it sets end's ID
// and Time.
func (e *Engine) End(b *exchange.Begin, end *exchange.End) {
	end.ID = b.ID
	end.Time = e.now()
	if b.Side == exchange.Ingress {
		e.active.End(b)
	}
	buf := buffers.Get().(*[]byte)
	*buf = exchange.AppendEnd((*buf)[:0], end)
	e.settings.Journal.Append(*buf)
	buffers.Put(buf)
	e.rouse()
}

// rouse wakes who understands.
func (e *Engine) rouse() {
	if e.idle.Load() {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// Left appends that the session has no connection of its own any more.
func (e *Engine) Left(s exchange.Session) {
	buf := buffers.Get().(*[]byte)
	*buf = exchange.AppendLeft((*buf)[:0], e.now(), s)
	e.settings.Journal.Append(*buf)
	buffers.Put(buf)
}

// Now returns the time by the run's clock, for facts that a receiver measures.
func (e *Engine) Now() exchange.Time { return e.now() }
