// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// notification is one alert in one payload of Alertmanager's webhook.
type notification struct {
	at       time.Time
	receiver string
	payload  string
	alert
}

// alert is an alert as Alertmanager tells it.
type alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	// GeneratorURL leads to the expression in Prometheus.
	GeneratorURL string `json:"generatorURL"`
}

// telling are the labels that tell one alert from another, in this order. Instances and teams aren't among them.
var telling = []string{"job", "server_address", "goproxy_side", "goproxy_operation", "window", "goproxy_leak_pattern", "exporter", "data_type", "signal", "severity"}

// key names an alert as the table of steps does: GoproxyUpstreamDown job=goproxy server_address=localhost ...
func (a alert) key() string {
	key := []string{a.Labels["alertname"]}
	for _, label := range telling {
		// The scrape job is the same for all of Modtap's own.
		if value := a.Labels[label]; value != "" && value != "modtap" {
			key = append(key, strings.TrimPrefix(label, "goproxy_")+"="+value)
		}
	}
	return strings.Join(key, " ")
}

// pager is what Alertmanager notifies.
type pager struct {
	url string
	mu  sync.Mutex
	all []notification
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var payload struct {
			Alerts []alert `json:"alerts"`
		}
		if err == nil {
			err = json.Unmarshal(body, &payload)
		}
		if !assert.NoError(t, err) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, one := range payload.Alerts {
			p.all = append(p.all, notification{at: time.Now(), receiver: strings.TrimPrefix(r.URL.Path, "/"), payload: string(body), alert: one})
		}
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// since are the notifications of alerts that fire and began after a time, each alert once, the first one.
func (p *pager) since(began time.Time) []notification {
	return p.firsts("firing", func(n notification) bool { return n.StartsAt.After(began) })
}

// resolved are the first notifications after a time that an alert is over.
func (p *pager) resolved(began time.Time) []notification {
	return p.firsts("resolved", func(n notification) bool { return n.at.After(began) })
}

func (p *pager) firsts(status string, which func(notification) bool) []notification {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []notification
	for _, n := range p.all {
		known := slices.ContainsFunc(found, func(f notification) bool { return f.key() == n.key() })
		if n.Status == status && which(n) && !known {
			found = append(found, n)
		}
	}
	return found
}

// receivers are those that were told of an alert since a time.
func (p *pager) receivers(key string, began time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, n := range p.all {
		if n.key() == key && n.StartsAt.After(began) {
			all = append(all, n.receiver)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
