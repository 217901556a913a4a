// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package journal keeps the records of what was captured until they are told: in
// memory ([Ring]), or in mapped files that outlive a crash ([Mapped]).
//
// A journal is a chain of segments. Writers fill the last one: they reserve a
// place by one atomic operation, copy the record there and publish it by one
// atomic store, with no lock and no system call. One reader walks the chain. The
// oldest segment goes when it is released, or when the journal is full.
//
// # On disk
//
// A segment is a file, called after the position at which it begins. It opens
// with a header of 64 bytes (magic, version, its size, its position, where the
// records of the segment before it end, CRC-32C of these), then come records,
// each on a multiple of eight bytes: one word of mark, length and CRC-32C, then
// the bytes. Behind the last record there are zeros. A file gets its full size,
// and its blocks on the disk, before it is used, and its header when it is.
//
// A process that is killed can leave places that were reserved and not written,
// with records behind them. So the next run looks for records on each multiple
// of eight bytes; the check sum covers the position, so that only a record that
// was written right there is taken for one. Since each segment knows where the
// one before it ended, what is missing between them is noticed too.
package journal
