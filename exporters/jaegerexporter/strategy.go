// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/uber/jaeger-client-go/utils"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// What the tag sampler.type says, as Jaeger's clients do.
const (
	samplerProbabilistic = "probabilistic"
	samplerRateLimiting  = "ratelimiting"
	samplerLowerBound    = "lowerbound"
)

// maxOperations bounds the operations that a strategy remembers; others have the
// default probability. The number is that of Jaeger's clients.
const maxOperations = 2000

// A decision says whether a trace is sent, and which sampler with which parameter
// said so. Without a sampler nobody was asked.
type decision struct {
	sampled bool
	sampler string
	param   float64
}

// A strategy decides about traces. It is for one goroutine at a time.
type strategy interface {
	decide(id pcommon.TraceID, operation string) decision
}

// everything is the strategy until Jaeger has answered.
type everything struct{}

func (everything) decide(pcommon.TraceID, string) decision { return decision{sampled: true} }

// probabilistic takes a share of the traces by their ids alone, so that everybody
// who has the same rate takes the same ones: Jaeger's clients compare the same 63
// bits.
type probabilistic float64

func (p probabilistic) decide(id pcommon.TraceID, _ string) decision {
	low := binary.BigEndian.Uint64(id[8:]) & math.MaxInt64
	boundary := uint64(math.MaxInt64)
	if p < 1 { // The rate 1 as a float64 would give 2^63.
		boundary = uint64(float64(p) * math.MaxInt64)
	}
	return decision{sampled: p > 0 && boundary >= low, sampler: samplerProbabilistic, param: float64(p)}
}

// rateLimiting takes so many traces a second.
type rateLimiting struct {
	perSecond float64
	credit    *utils.ReconfigurableRateLimiter
}

func newRateLimiting(perSecond float64) rateLimiting {
	return rateLimiting{perSecond: perSecond, credit: utils.NewRateLimiter(perSecond, max(perSecond, 1))}
}

func (r rateLimiting) decide(pcommon.TraceID, string) decision {
	return decision{sampled: r.perSecond > 0 && r.credit.CheckCredit(1), sampler: samplerRateLimiting, param: r.perSecond}
}

// perOperation has a probability for each operation, and a rate below which none of
// them falls.
type perOperation struct {
	rates      map[string]probabilistic
	other      probabilistic
	lowerBound float64
	bounds     map[string]rateLimiting // By operation, made when it is first seen.
}

func (p *perOperation) decide(id pcommon.TraceID, operation string) decision {
	rate, ok := p.rates[operation]
	if !ok {
		rate = p.other
	}
	d := rate.decide(id, operation)
	bound, ok := p.bounds[operation]
	if !ok {
		if len(p.bounds) == maxOperations {
			return d
		}
		bound = newRateLimiting(p.lowerBound)
		p.bounds[operation] = bound
	}
	// Each trace pays, so that the lower bound adds none where the probability
	// brings enough.
	if paid := bound.decide(id, operation).sampled; paid && !d.sampled {
		return decision{sampled: true, sampler: samplerLowerBound, param: d.param}
	}
	return d
}

// answer is what /api/sampling gives. The thrift type of the client library isn't
// used: it takes no strategyType that is a number, as the first agents sent it.
type answer struct {
	Probabilistic *probabilisticAnswer `json:"probabilisticSampling"`
	RateLimiting  *struct {
		PerSecond float64 `json:"maxTracesPerSecond"`
	} `json:"rateLimitingSampling"`
	Operations *struct {
		Default    float64 `json:"defaultSamplingProbability"`
		LowerBound float64 `json:"defaultLowerBoundTracesPerSecond"`
		Strategies []struct {
			Operation     string              `json:"operation"`
			Probabilistic probabilisticAnswer `json:"probabilisticSampling"`
		} `json:"perOperationStrategies"`
	} `json:"operationSampling"`
}

type probabilisticAnswer struct {
	Rate float64 `json:"samplingRate"`
}

// parseStrategy reads an answer. Of several strategies in it the most detailed
// counts, as with Jaeger's clients.
func parseStrategy(text []byte) (strategy, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("sampling strategy: %w", err)
	}
	switch {
	case a.Operations != nil:
		p := &perOperation{
			rates: make(map[string]probabilistic), bounds: make(map[string]rateLimiting),
			other: probabilistic(a.Operations.Default), lowerBound: a.Operations.LowerBound,
		}
		err := errors.Join(checkRate(a.Operations.Default), checkPerSecond(p.lowerBound))
		for _, s := range a.Operations.Strategies {
			p.rates[s.Operation] = probabilistic(s.Probabilistic.Rate)
			err = errors.Join(err, checkRate(s.Probabilistic.Rate))
		}
		return p, err
	case a.Probabilistic != nil:
		return probabilistic(a.Probabilistic.Rate), checkRate(a.Probabilistic.Rate)
	case a.RateLimiting != nil:
		return newRateLimiting(a.RateLimiting.PerSecond), checkPerSecond(a.RateLimiting.PerSecond)
	}
	return nil, errors.New("sampling strategy: none in the answer")
}

func checkRate(rate float64) error {
	if rate < 0 || rate > 1 {
		return fmt.Errorf("sampling strategy: probability %g is not from 0 to 1", rate)
	}
	return nil
}

func checkPerSecond(n float64) error {
	if n < 0 {
		return fmt.Errorf("sampling strategy: %g traces a second", n)
	}
	return nil
}
