// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package prometheusexporter

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
)

// maxScrapes bounds the memory that scrapes take at once; another one is answered 503.
const maxScrapes = 16

// newPage serves what gatherers have: text, OpenMetrics or protobuf, as it is asked for.
func newPage(logger *zap.Logger, from gatherers) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(from, promhttp.HandlerOpts{
		ErrorLog:            pageLog{logger},
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	}))
	return mux
}

// pageLog tells what promhttp has left out of the page.
type pageLog struct{ logger *zap.Logger }

func (l pageLog) Println(v ...any) {
	l.logger.Warn("Metrics page is incomplete", zap.String("reason", fmt.Sprint(v...)))
}

// gatherers show the families of all of them in the order of their names. Each
// has consistent families, as a registry does; what [prometheus.Gatherers] checks
// and sorts over takes half the time of a scrape, so only families that several
// of them have go through it.
type gatherers []prometheus.Gatherer

var _ prometheus.Gatherer = gatherers(nil)

// Gather returns what can be shown, also with an error.
func (g gatherers) Gather() ([]*dto.MetricFamily, error) {
	var errs []error
	parts, owners := make([][]*dto.MetricFamily, len(g)), map[string]int{}
	for i, one := range g {
		families, err := one.Gather()
		if err != nil {
			errs = append(errs, err)
		}
		for _, family := range families {
			owners[family.GetName()]++
		}
		parts[i] = families
	}
	all := make([]*dto.MetricFamily, 0, len(owners))
	shared := make(prometheus.Gatherers, 0, len(parts))
	for _, families := range parts {
		var common []*dto.MetricFamily
		for _, family := range families {
			if owners[family.GetName()] > 1 {
				common = append(common, family)
			} else {
				all = append(all, family)
			}
		}
		shared = append(shared, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return common, nil }))
	}
	if len(all) < len(owners) {
		merged, err := shared.Gather()
		if err != nil {
			errs = append(errs, err)
		}
		all = append(all, merged...)
	}
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, errors.Join(errs...)
}
