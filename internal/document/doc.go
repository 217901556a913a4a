// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package document turns a log record into its JSON document. It is the only
// place that does so: the JSON log and Elasticsearch hold the same bytes.
//
// A document is one nested object. Names are split at their dots, as the
// Elastic Common Schema has them, and the keys of every object are sorted.
//
//   - @timestamp is the record's time, the observed time if that is unset: RFC
//     3339 in UTC, always with nine digits.
//   - trace.id and span.id are the record's ids, if it has any.
//   - message is the record's body: a string as it is, anything else as the text
//     that pdata gives it. log.level is the severity text, if there is one.
//   - Attributes of the record, of its scope and of its resource stand under their
//     names. Where a name is given twice, the fields above win over an attribute of
//     the record, that over one of the scope, and that over one of the resource.
//   - Where the Elastic Common Schema has another name for something, it stands under
//     both: see [Fields]. event.start and event.end come from the time and
//     event.duration. An attribute of that name wins.
//
// Names that can't stand as they are:
//
//   - A scalar a beside a.b becomes a.value; where that is taken, a.value_,
//     a.value__ and so on.
//   - A name beneath one of the fields above is joined to it: message.x becomes
//     message_x, so that message is a string in every document.
//   - An empty or blank part becomes "_"; parts beyond the sixteenth are joined
//     to it with "_".
//
// Values keep their kind: integers and doubles are numbers (a double always has
// a point or an exponent, NaN and the infinities are null), bytes are base64,
// slices and maps are arrays and objects whose keys are not split. Invalid UTF-8
// is replaced by U+FFFD, byte by byte.
package document
