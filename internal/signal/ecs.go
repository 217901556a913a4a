// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package signal

import (
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/modtap/modtap/internal/cache"
)

// ecsVersion is that of the Elastic Common Schema whose names documents have
// (https://www.elastic.co/guide/en/ecs/8.17/ecs-field-reference.html).
const ecsVersion = "8.17.0"

// documentAttributes are the same in all documents of a Modtap: they say what kind of
// document it is. In logs they are the scope's.
var documentAttributes = []Attribute{
	{Name: "ecs.version", Type: String, Meaning: "Version of the Elastic Common Schema.", from: always(text(ecsVersion))},
	{Name: "event.kind", Type: String, Meaning: "`event`.", from: always(text("event"))},
	{Name: "event.category", Type: Strings, Meaning: "`web`.", from: always(list("web"))},
	{Name: "event.type", Type: Strings, Meaning: "`access`.", from: always(list("access"))},
	{Name: "event.dataset", Type: String, Meaning: "`modtap.access`.", from: always(text("modtap.access"))},
	{Name: "event.module", Type: String, Meaning: "`modtap`.", from: always(text("modtap"))},
	{Name: "observer.type", Type: String, Meaning: "`proxy`.", from: always(text("proxy"))},
	{Name: "observer.product", Type: String, Meaning: "`Modtap`.", from: always(text("Modtap"))},
	{
		Name: "observer.version", Type: String, Meaning: "Version of Modtap.",
		from: sources{scope: func(r *Resource) value { return text(r.Version) }},
	},
	{
		Name: "host.name", Type: String, Meaning: "Name of the machine or container that Modtap runs on.",
		from: sources{scope: func(r *Resource) value { return text(r.Host) }},
	},
	{Name: attrSchema, Type: Int, Meaning: "Number of the document's shape; a rename raises it.", from: always(number(Schema))},
}

func always(v value) sources { return sources{scope: func(*Resource) value { return v }} }

// eventOutcome is the event.outcome of ECS: success, failure or unknown.
func eventOutcome(o cache.Outcome) string {
	switch {
	case o == cache.ClientGone:
		return "unknown"
	case o.Failure() || o == cache.Denied || o == cache.Refused:
		return "failure"
	}
	return "success"
}

// severity is an error for a failure, and a warning for what the client didn't get
// for another reason than that it isn't there.
func severity(o cache.Outcome, to plog.LogRecord) {
	switch {
	case o.Failure():
		to.SetSeverityNumber(plog.SeverityNumberError)
		to.SetSeverityText("error")
	case eventOutcome(o) != "success":
		to.SetSeverityNumber(plog.SeverityNumberWarn)
		to.SetSeverityText("warn")
	default:
		to.SetSeverityNumber(plog.SeverityNumberInfo)
		to.SetSeverityText("info")
	}
}

// message is the exchange as one line: method, path, status, the cache's result or, if
// it wasn't ok, the outcome, and the duration.
func (t *Told) message() string {
	line := make([]byte, 0, len(t.Begin.Path)+48)
	line = append(line, t.Begin.Method...)
	line = append(append(line, ' '), t.Begin.Path...)
	if t.End.Status > 0 {
		line = strconv.AppendInt(append(line, ' '), int64(t.End.Status), 10)
	}
	switch {
	case t.Verdict.Outcome != cache.OK:
		line = append(append(line, ' '), t.Verdict.Outcome...)
	case t.Verdict.Result != "":
		line = append(append(line, ' '), t.Verdict.Result...)
	}
	return string(appendDuration(append(line, ' '), t.elapsed()))
}

// appendDuration appends d with one decimal: 13.6ms, 2.5s.
func appendDuration(dst []byte, d time.Duration) []byte {
	unit, name := time.Microsecond, "µs"
	switch {
	case d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	}
	dst = strconv.AppendFloat(dst, float64(d)/float64(unit), 'f', 1, 64)
	return append(dst, name...)
}
