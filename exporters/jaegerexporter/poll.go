// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// maxServices bounds the services whose strategies are asked for. All traces of
	// others are sent.
	maxServices = 100

	// maxStrategy bounds an answer; one of 2000 operations is some 200 KiB.
	maxStrategy = 4 << 20
)

// strategies keeps the sampling strategy of each service, and asks for it again and
// again. One that can't be had leaves the last known in force.
type strategies struct {
	target  target
	timeout time.Duration // Of one question.
	logger  *zap.Logger   // Each message once a minute.
	client  *http.Client

	mu       sync.Mutex
	services map[string]*service
}

// service is what is known of one.
type service struct {
	name   string
	asked  sync.Once // The first time.
	last   []byte    // Answer; only its asker, of whom there is one at a time, uses it.
	asking sync.Mutex

	mu       sync.Mutex
	strategy strategy
}

// use calls decide with the strategy of a service. The first time it waits for
// Jaeger's answer, but no longer than a question may take.
func (s *strategies) use(ctx context.Context, name string, decide func(strategy)) {
	of := s.find(name)
	if of == nil {
		s.logger.Warn("More services than sampling strategies are asked for; all their traces are sent", zap.Int("services", maxServices))
		decide(everything{})
		return
	}
	of.asked.Do(func() { s.ask(ctx, of) })
	of.mu.Lock()
	defer of.mu.Unlock()
	decide(of.strategy)
}

func (s *strategies) find(name string) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.services[name]
	if of == nil && len(s.services) < maxServices {
		of = &service{name: name, strategy: everything{}}
		s.services[name] = of
	}
	return of
}

// refresh asks for all strategies each interval, until the context ends.
func (s *strategies) refresh(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, of := range s.all() {
			s.ask(ctx, of)
		}
	}
}

func (s *strategies) all() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*service, 0, len(s.services))
	for _, of := range s.services {
		all = append(all, of)
	}
	return all
}

// ask takes a new strategy over. The same answer as the last leaves everything as
// it is: rate limiters keep their balance.
func (s *strategies) ask(ctx context.Context, of *service) {
	of.asking.Lock()
	defer of.asking.Unlock()
	text, err := s.get(ctx, of.name)
	if err == nil && bytes.Equal(text, of.last) {
		return
	}
	var fresh strategy
	if err == nil {
		fresh, err = parseStrategy(text)
	}
	if err != nil {
		s.logger.Warn("Sampling strategy can't be had; the last known stays in force, and before the first all traces are sent",
			zap.String("service", of.name), zap.Error(err))
		return
	}
	of.last = text
	of.mu.Lock()
	defer of.mu.Unlock()
	of.strategy = fresh
}

func (s *strategies) get(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := s.target.newRequest(ctx, http.MethodGet, "?"+url.Values{"service": {name}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxStrategy))
	if err != nil {
		return nil, fmt.Errorf("sampling strategy: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, describeAnswer(response, text[:min(len(text), maxReason)], nil)
	}
	return text, nil
}
