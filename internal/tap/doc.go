// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package tap is the engine between a receiver that captures and the pipeline
// that sends. On the request path it appends facts to the journal and does
// nothing else; behind it, one goroutine understands the records in order and
// one for each signal emits them to its consumer.
//
// # Positions
//
// Everything is known by its position in the journal, which only rises, from run to
// run too:
//
//	journal  ....[ start | begin | end | exchange+mark | tick | exchange+mark | ....
//	             ^             ^       ^                      ^                ^
//	             |             |       cursor of logs         read             end
//	             |             cursor of traces
//	             checkpoint, and what is released
//
//	checkpoint <= slowest cursor <= read <= end
//
// The one that understands is at read. What a record settles gets numbers that rise in
// the order of emitting (event.id has them) and waits in a queue for each signal. A
// cursor moves when the signal's consumer has taken a batch.
//
// A checkpoint is all that outlives one exchange, as it was at its position: unfinished
// verdicts, open sessions, metrics, marks. It is made at read, goes through the queues as
// an item of its own, and is saved once every signal has come to it. Then what stands
// before it is released, and the journal's segments are used again.
//
// The next run loads it, reads the journal from there on, and comes to the same verdicts,
// numbers and ids, as they depend on records, checkpoint and the settings in start records
// alone. It emits only what stands behind each signal's cursor.
//
// # Two kinds of source
//
// Live traffic (Begin, End) never waits: what doesn't fit into the journal any more drops
// out of it, and is counted. Its clock is [Wall].
//
// A [Source] tells of whole exchanges. A mark (which source, and where in it) is in the same
// record, so a crash comes between no two of them. The last mark of each source that the
// journal holds, or the checkpoint, is where the next run's receiver goes on; it is told once
// what the last run left is read:
//
//	source, err := engine.Source(ctx, "access.log") // waits for what the last run left
//	offset := decode(source.Mark())                 // nil: the beginning
//	for each line behind offset {
//		err = source.Exchange(ctx, who, begin, end, encode(offset))
//	}
//	source.Finish() // only if nobody writes to it any more
//
// A source waits while the journal is half full, so that a backfill of any size loses
// nothing. Its clock is [Watermark]: the time of what the slowest open source has told.
package tap
