// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package queuefile looks after the files in which exporters keep what waits to be sent: bbolt files, written by the file_storage
// extension.
//
// bbolt trusts its file: on damage it may panic, end the process with a memory fault, or loop. So [Guard] has each file checked by a
// child process before the collector opens it. A broken one is moved aside, what can be read of it goes into a fresh file (so it is
// sent after all), and the rest is counted. How much there was is known from a [note] beside each file, which [Factory] keeps up to
// date while the queue is in use; from it also comes the age of the oldest request in the queue.
package queuefile
