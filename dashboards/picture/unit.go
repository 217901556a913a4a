// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"math"
	"strconv"
	"time"
)

// scale is a multiple of a unit and how it is written.
type scale struct {
	factor float64
	suffix string
}

// unit writes values. Its scales rise; values below the first are written in it.
type unit struct {
	prefix string
	zero   string // suffix of 0
	scales []scale
	date   bool // milliseconds since 1970
}

// units are those of Modtap's dashboards, by Grafana's names, written as Grafana does.
var units = map[string]unit{
	"short":         {scales: multiples(1000, "", " K", " Mil", " Bil", " Tri", " Quadr", " Quint")},
	"reqps":         {zero: " req/s", scales: multiples(1000, " req/s", "K req/s", "M req/s", "B req/s", "T req/s")},
	"Bps":           {zero: " B/s", scales: multiples(1000, " B/s", " kB/s", " MB/s", " GB/s", " TB/s", " PB/s")},
	"decbytes":      {zero: " B", scales: multiples(1000, " B", " kB", " MB", " GB", " TB", " PB")},
	"bytes":         {zero: " B", scales: multiples(1024, " B", " KiB", " MiB", " GiB", " TiB", " PiB")},
	"currencyUSD":   {prefix: "$", scales: multiples(1000, "", "K", "M", "B", "T")},
	"percentunit":   {zero: "%", scales: []scale{{0.01, "%"}}},
	"s":             {zero: " s", scales: durations(time.Second, 0)},
	"µs":            {zero: " µs", scales: durations(time.Microsecond, 1)},
	"ns":            {zero: " ns", scales: durations(time.Nanosecond, 0)},
	"dateTimeAsIso": {date: true, scales: multiples(1000, "")},
}

func multiples(base float64, suffixes ...string) []scale {
	all := make([]scale, len(suffixes))
	for i, s := range suffixes {
		all[i] = scale{math.Pow(base, float64(i)), s}
	}
	return all
}

// durations counts in of; it leaves out the first scales, which are smaller.
func durations(of time.Duration, without int) []scale {
	const day = 24 * time.Hour
	all := []struct {
		d      time.Duration
		suffix string
	}{
		{time.Nanosecond, " ns"},
		{time.Microsecond, " µs"},
		{time.Millisecond, " ms"},
		{time.Second, " s"},
		{time.Minute, " mins"},
		{time.Hour, " hours"},
		{day, " days"},
		{7 * day, " weeks"},
		{365 * day, " years"},
	}
	scales := make([]scale, 0, len(all))
	for _, s := range all[without:] {
		scales = append(scales, scale{float64(s.d) / float64(of), s.suffix})
	}
	return scales
}

// scaleOf is the largest scale that the value fills.
func (u *unit) scaleOf(value float64) scale {
	chosen := u.scales[0]
	for _, s := range u.scales {
		if math.Abs(value) >= s.factor {
			chosen = s
		}
	}
	return chosen
}

// format writes a value with three digits that count, or with so many decimals.
func (u *unit) format(value float64, decimals *float64) string {
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		return strconv.FormatFloat(value, 'g', -1, 64)
	case u.date:
		return dateOf(value)
	case value == 0:
		return u.prefix + "0" + u.zero
	}
	s := u.scaleOf(value)
	scaled := value / s.factor
	digits := 0
	if decimals != nil {
		digits = min(max(int(*decimals), 0), 9)
	} else if scaled != math.Trunc(scaled) {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(scaled)))))
	}
	return u.write(scaled, digits, s.suffix)
}

// write writes a scaled value; one that is too long in digits, with an exponent.
func (u *unit) write(scaled float64, digits int, suffix string) string {
	if size := math.Abs(scaled); size >= 1e6 || digits > 6 {
		return u.prefix + strconv.FormatFloat(scaled, 'g', 3, 64) + suffix
	}
	sign := ""
	if scaled < 0 {
		sign, scaled = "-", -scaled
	}
	return sign + u.prefix + strconv.FormatFloat(scaled, 'f', digits, 64) + suffix
}

const isoSeconds = "2006-01-02 15:04:05"

func dateOf(milliseconds float64) string {
	if math.Abs(milliseconds) > 1e15 { // beyond what a time can tell in four digits of a year or so
		return strconv.FormatFloat(milliseconds, 'g', 3, 64)
	}
	return time.UnixMilli(int64(milliseconds)).UTC().Format(isoSeconds)
}
