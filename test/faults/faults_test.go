// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults

import (
	"testing"
	"time"
)

// TestFaults runs each fault on a Modtap of its own, one after the other.
func TestFaults(t *testing.T) {
	s := newSuite(t)
	defer func() {
		t.Log(s.table.String())
		for _, failure := range s.failures {
			t.Log(failure)
		}
	}()

	s.underFull(t, "nothing", func(*run) { time.Sleep(scale(6*time.Second, 30*time.Second)) })

	s.under(t, "kill", kill)
	s.under(t, "sigterm", sigterm)
	s.under(t, "sigstop", sigstop)

	s.under(t, "elasticsearch-stopped", elasticsearchStopped)
	s.under(t, "elasticsearch-killed", elasticsearchKilled)
	s.under(t, "elasticsearch-429", elasticsearchInjected(tooMany))
	s.under(t, "elasticsearch-hangs", elasticsearchInjected(hang))
	s.under(t, "elasticsearch-answers-lost", elasticsearchInjected(s.toES.swallow()))
	s.under(t, "elasticsearch-rejects", elasticsearchRejects, rejecting(s, s.origin.large))
	s.underFull(t, "elasticsearch-flood-stage", floodStage)
	s.under(t, "jaeger-stopped", jaegerStopped)
	s.underFull(t, "jaeger-hangs", jaegerHangs)
	s.under(t, "elasticsearch-shards-full", shardsFull, fullOfShards(s))
	s.under(t, "elasticsearch-write-only", func(*run) { time.Sleep(scale(3*time.Second, time.Minute)) }, writeOnly(t, s))
	behind := newBetween(t, s)
	s.under(t, "jaeger-behind-nginx", behind.answers, func(o *settings) { o.env = append(o.env, "MODTAP_JAEGER="+behind.URL) })
	s.underFull(t, "prometheus-absent", prometheusAbsent, func(o *settings) { o.unscraped = true })

	night := new(midnight)
	s.under(t, "midnight", night.replayed, func(o *settings) { o.data = night.data })

	var disk string
	s.under(t, "data-disk-full", diskFull(&disk), func(o *settings) {
		o.data = on(&disk, "64m")
		o.losses, o.unequal = afterHold("documents", "spans"), full
	})
	s.underFull(t, "data-disk-full-embedded", diskFull(&disk), func(o *settings) {
		o.data = on(&disk, "64m")
		o.env = []string{"MODTAP_UPSTREAM=embedded", "MODTAP_EGRESS_UPSTREAM=" + s.origin.URL, "GOSUMDB=off"}
		o.losses, o.unequal = afterHold("documents", "spans"), full
	})
	s.under(t, "log-disk-full", diskFull(&disk), func(o *settings) {
		o.log = on(&disk, "8m")
		o.losses, o.unequal = afterHold("lines"), full
	})
	s.under(t, "data-deleted", dataDeleted)
	s.under(t, "segment-truncated", segmentTruncated, func(o *settings) { o.losses = damaged(scale(50, 500)) })
	s.under(t, "segment-corrupted", segmentCorrupted, func(o *settings) { o.losses, o.unequal = damaged(scale(100, 1000)), true })
	s.under(t, "queue-corrupted", queueDamaged(func(t testing.TB, path string) { flip(t, path, flipped) }), func(o *settings) {
		o.losses, o.unequal, o.garbled = queueLoss(), true, flipped
	})
	s.under(t, "queue-truncated", queueDamaged(half), func(o *settings) { o.losses, o.unequal = queueLoss(), true })
}

// flipped is how many bytes of a queue are changed.
const flipped = 50

// lost is the counter of what never left Modtap.
const lost = "otelcol_receiver_exchange_lost"

// afterHold are the exact losses of a fault that, in its full form, lasts longer
// than a batch is tried again.
func afterHold(backends ...string) (losses []loss) {
	if !full {
		return nil
	}
	for _, name := range backends {
		signal := "logs"
		if name == "spans" {
			signal = "traces"
		}
		losses = append(losses, loss{backend: name, counter: []string{lost, `signal="` + signal + `"`}, exact: true})
	}
	return losses
}

// damaged are the losses of a journal that was damaged.
func damaged(most int) (losses []loss) {
	for _, name := range backendNames {
		losses = append(losses, loss{backend: name, counter: []string{lost, `reason="damaged"`}, most: most})
	}
	return losses
}

// queueLoss is the loss of a damaged queue.
func queueLoss() []loss {
	return []loss{{backend: "documents", counter: []string{"otelcol_exporter_dropped_items", "queue_damaged"}, exact: true}}
}
