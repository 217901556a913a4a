// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/backends"
)

// key tells alerts apart.
type key struct {
	job string
	alert
}

func (k key) String() string {
	return strings.Join(strings.Fields(k.job+" "+k.name+" "+k.window+" "+k.severity), " ")
}

// firing is an alert as Prometheus shows it.
type firing struct {
	value   float64
	summary string
}

// page is what a Prometheus says about its rules once it has evaluated all of them.
type page struct {
	groups    []group
	firing    map[key]firing
	evaluated time.Time // the last group
}

// group is a part of /api/v1/rules.
type group struct {
	Name  string    `json:"name"`
	Last  time.Time `json:"lastEvaluation"`
	Rules []struct {
		Name   string `json:"name"`
		Health string `json:"health"`
		Error  string `json:"lastError"`
	} `json:"rules"`
}

// await returns the page after the first evaluation of each group, which is within a minute.
func await(tb testing.TB, server *backends.PrometheusServer) page {
	tb.Helper()
	p := page{firing: map[key]firing{}}
	backends.Await(tb, 90*time.Second, "each group's first evaluation", func() bool {
		var answer struct{ Data struct{ Groups []group } }
		get(tb, server.URL+"/api/v1/rules", &answer)
		p.groups = answer.Data.Groups
		return !slices.ContainsFunc(p.groups, func(g group) bool { return g.Last.IsZero() })
	})
	for _, g := range p.groups {
		if g.Last.After(p.evaluated) {
			p.evaluated = g.Last
		}
	}
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels, Annotations map[string]string
				State, Value        string
			}
		}
	}
	get(tb, server.URL+"/api/v1/alerts", &answer)
	for _, a := range answer.Data.Alerts {
		value, err := strconv.ParseFloat(a.Value, 64)
		require.NoError(tb, err)
		if a.State == "firing" {
			k := key{a.Labels["job"], alert{a.Labels["alertname"], a.Labels["window"], a.Labels["severity"]}}
			require.NotContains(tb, p.firing, k, "an alert that its key doesn't tell apart")
			p.firing[k] = firing{value: value, summary: a.Annotations["summary"]}
		}
	}
	return p
}

// client keeps no connection.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func get(tb testing.TB, url string, answer any) {
	tb.Helper()
	response, err := client.Get(url)
	require.NoError(tb, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(tb, http.StatusOK, response.StatusCode, url)
	require.NoError(tb, json.NewDecoder(response.Body).Decode(answer), url)
}

// judge refuses a page on which a rule is missing or has an error, or on which anything but what is wanted fires, or says other numbers.
func judge(p page, rules int, want map[key]expectation) error {
	var faults []error
	found := 0
	for _, g := range p.groups {
		found += len(g.Rules)
		for _, r := range g.Rules {
			if r.Health != "ok" || r.Error != "" {
				faults = append(faults, fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.Error))
			}
		}
	}
	if found != rules {
		faults = append(faults, fmt.Errorf("%d rules evaluated, not %d", found, rules))
	}
	for _, k := range sorted(want) {
		got, ok := p.firing[k]
		if !ok {
			faults = append(faults, fmt.Errorf("silent: %s", k))
			continue
		}
		faults = append(faults, differs(k, got, want[k]))
	}
	for _, k := range sorted(p.firing) {
		if _, ok := want[k]; !ok {
			faults = append(faults, fmt.Errorf("fires: %s: %s", k, p.firing[k].summary))
		}
	}
	return errors.Join(faults...)
}

var percentage = regexp.MustCompile(`([0-9.]+)%`)

// differs compares an alert's value and the percentages in its summary with what was reckoned.
func differs(k key, got firing, want expectation) error {
	if !near(got.value, want.value) {
		return fmt.Errorf("%s: value %g, reckoned %g", k, got.value, want.value)
	}
	said := percentage.FindAllStringSubmatch(got.summary, -1)
	right := len(said) == len(want.percentages) && strings.Contains(got.summary, want.names)
	for i := 0; right && i < len(said); i++ {
		number, err := strconv.ParseFloat(said[i][1], 64)
		right = err == nil && near(number, want.percentages[i])
	}
	if !right {
		return fmt.Errorf("%s: summary %q doesn't name %q and %.4g %%", k, got.summary, want.names, want.percentages)
	}
	return nil
}

// near allows 5 %: an increase guesses up to a minute at the edge of a series, which is 3.3 % of the half hours here.
func near(got, want float64) bool { return math.Abs(got-want) <= 0.05*math.Abs(want) }

func sorted[V any](m map[key]V) []key {
	return slices.SortedFunc(maps.Keys(m), func(a, b key) int { return cmp.Compare(a.String(), b.String()) })
}
