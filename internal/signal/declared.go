// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package signal is what is told: it declares every metric and attribute once
// and turns settled exchanges into traces, metrics and logs.
package signal

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
)

// Schema is the value of goproxy.schema: the number of the log record's shape.
// A rename raises it.
const Schema = 2

// The attributes' names. Standard ones come from semantic conventions v1.40.0
// and, in logs, from the Elastic Common Schema.
const (
	attrMethod          = string(semconv.HTTPRequestMethodKey)
	attrMethodOriginal  = string(semconv.HTTPRequestMethodOriginalKey)
	attrRoute           = string(semconv.HTTPRouteKey)
	attrStatus          = string(semconv.HTTPResponseStatusCodeKey)
	attrResend          = string(semconv.HTTPRequestResendCountKey)
	attrBodySize        = string(semconv.HTTPResponseBodySizeKey)
	attrScheme          = string(semconv.URLSchemeKey)
	attrPath            = string(semconv.URLPathKey)
	attrURL             = string(semconv.URLFullKey)
	attrTemplate        = string(semconv.URLTemplateKey)
	attrErrorType       = string(semconv.ErrorTypeKey)
	attrServerAddress   = string(semconv.ServerAddressKey)
	attrServerPort      = string(semconv.ServerPortKey)
	attrClientAddress   = string(semconv.ClientAddressKey)
	attrClientPort      = string(semconv.ClientPortKey)
	attrPeerAddress     = string(semconv.NetworkPeerAddressKey)
	attrPeerPort        = string(semconv.NetworkPeerPortKey)
	attrProtocolVersion = string(semconv.NetworkProtocolVersionKey)
	attrUserAgent       = string(semconv.UserAgentOriginalKey)
	attrUserName        = string(semconv.UserNameKey)
	attrPipeline        = string(semconv.CICDPipelineNameKey)
	attrPipelineRun     = string(semconv.CICDPipelineRunIDKey)
	attrPipelineURL     = string(semconv.CICDPipelineRunURLFullKey)
	attrJob             = string(semconv.CICDPipelineTaskNameKey)
	attrJobRun          = string(semconv.CICDPipelineTaskRunIDKey)
	attrJobURL          = string(semconv.CICDPipelineTaskRunURLFullKey)
	attrServiceName     = string(semconv.ServiceNameKey)
	attrInstance        = string(semconv.ServiceInstanceIDKey)
	attrEnvironment     = string(semconv.DeploymentEnvironmentNameKey)

	// AttrEventID names the log record's id, which is its document's id.
	AttrEventID       = "event.id"
	attrEventDuration = "event.duration" // ns
	attrEventOutcome  = "event.outcome"
	attrEventAction   = "event.action"
	attrBodyBytes     = "http.response.body.bytes"

	attrSchema           = "goproxy.schema"
	attrSide             = "goproxy.side"
	attrOperation        = "goproxy.operation"
	attrModulePath       = "goproxy.module.path"
	attrClientName       = "goproxy.client.name"
	attrLeakPattern      = "goproxy.leak.pattern"
	attrModuleVersion    = "goproxy.module.version"
	attrModuleAge        = "goproxy.module.version_age" // ns
	attrPathPrefix       = "goproxy.path.prefix"
	attrCacheResult      = "goproxy.cache.result"
	attrCacheEvidence    = "goproxy.cache.evidence"
	attrMissReason       = "goproxy.cache.miss.reason"
	attrOutcome          = "goproxy.outcome"
	attrResumes          = "goproxy.download.resumes" // the span id of the exchange that began the download
	attrSession          = "goproxy.session.id"
	attrInferred         = "goproxy.session.inferred"
	attrCISystem         = "goproxy.ci.system" // gitlab, github, ...; semconv has no name for it
	attrUpstream         = "goproxy.upstream"
	attrUpstreamReason   = "goproxy.upstream.reason"
	attrCircuitState     = "goproxy.circuit.state" // closed, half_open, open
	attrUpstreamDirect   = "goproxy.upstream.direct"
	attrPhase            = "goproxy.phase"               // with a phase's name and .duration below it; ns
	attrPhaseName        = "goproxy.phase.name"          // of a span or a series
	attrPhaseDuration    = "goproxy.phase.duration"      // of a span: what only this phase explains; ns
	attrFirstByte        = "goproxy.first_byte.duration" // ns
	attrListener         = "goproxy.listener"            // ingress, egress
	attrToolchainVersion = "goproxy.toolchain.version"
	attrToolchainOS      = "goproxy.toolchain.os"
	attrToolchainArch    = "goproxy.toolchain.arch"
)

// The attributes of a session's span.
const (
	attrSessionRequests        = "goproxy.session.requests"
	attrSessionTransferred     = "goproxy.session.transferred" // By
	attrSessionFailures        = "goproxy.session.failures"
	attrSessionHitRatio        = "goproxy.session.hit_ratio"
	attrSessionSlowestModule   = "goproxy.session.slowest.module"
	attrSessionSlowestVersion  = "goproxy.session.slowest.version"
	attrSessionSlowestDuration = "goproxy.session.slowest.duration" // ns
)

// Kind is the kind of a metric.
type Kind uint8

// The kinds of metrics.
const (
	Histogram Kind = iota
	Counter
	UpDownCounter
	Gauge
)

// Metric declares one metric.
type Metric struct {
	Name        string
	Unit        string // UCUM
	Description string
	Kind        Kind
	// Attributes are all that a series can have, in the order of its key.
	Attributes []string
	// Boundaries are a histogram's classic buckets, in Unit.
	Boundaries []float64
}

var (
	// The boundaries that semconv advises, with finer ones for cache hits and
	// wider ones for large zips.
	durationBoundaries = []float64{
		0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300,
	}
	phaseBoundaries = []float64{0.001, 0.01, 0.1, 1, 10, 60}
	sizeBoundaries  = []float64{
		256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30,
	}

	serverDuration = Metric{
		Name: "http.server.request.duration", Unit: "s", Kind: Histogram, Boundaries: durationBoundaries,
		Description: "Duration of requests to the observed proxy, from the header's arrival to the last byte of the answer.",
		Attributes:  []string{attrMethod, attrScheme, attrProtocolVersion, attrRoute, attrStatus, attrErrorType, attrOperation, attrCacheResult, attrOutcome},
	}
	phaseDuration = Metric{
		Name: "goproxy.phase.duration", Unit: "s", Kind: Histogram, Boundaries: phaseBoundaries,
		Description: "Time that requests to the observed proxy spent in each phase. A request is in one phase at a time, so the sums of all phases make up the sum of durations.",
		Attributes:  []string{attrPhaseName, attrOperation},
	}
	serverBodySize = Metric{
		Name: "http.server.response.body.size", Unit: "By", Kind: Histogram, Boundaries: sizeBoundaries,
		Description: "Body bytes of answers that were sent to clients.",
		Attributes:  []string{attrMethod, attrScheme, attrOperation, attrCacheResult, attrOutcome},
	}
	clientDuration = Metric{
		Name: "http.client.request.duration", Unit: "s", Kind: Histogram, Boundaries: durationBoundaries,
		Description: "Duration of each request to an upstream, to the last byte of its answer.",
		Attributes:  []string{attrMethod, attrServerAddress, attrServerPort, attrStatus, attrErrorType, attrOperation, attrSide},
	}
	clientBodySize = Metric{
		Name: "http.client.response.body.size", Unit: "By", Kind: Histogram, Boundaries: sizeBoundaries,
		Description: "Body bytes of answers that were received from upstreams.",
		Attributes:  []string{attrMethod, attrServerAddress, attrServerPort, attrOperation, attrSide},
	}
	sessionDuration = Metric{
		Name: "goproxy.session.duration", Unit: "s", Kind: Histogram,
		Boundaries:  []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600},
		Description: "Duration of build sessions, from the first request of a go command to the end of its last one.",
		Attributes:  []string{attrInferred},
	}
	sessionRequests = Metric{
		Name: "goproxy.session.requests", Unit: "{request}", Kind: Histogram,
		Boundaries:  []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000},
		Description: "Number of requests to the observed proxy in each build session.",
		Attributes:  []string{attrInferred},
	}
	toolchainRequests = Metric{
		Name: "goproxy.toolchain.requests", Unit: "{request}", Kind: Counter,
		Description: "Downloads of Go toolchains (https://go.dev/doc/toolchain#download), by the heaviest; the rest, and what is no version of Go, is _other.",
		Attributes:  []string{attrToolchainVersion, attrToolchainOS, attrToolchainArch},
	}
	moduleRequests = Metric{
		Name: "goproxy.module.requests", Unit: "{request}", Kind: Counter,
		Description: "Requests to the observed proxy that name a module and weren't redirected elsewhere, by the heaviest modules; the rest is _other.",
		Attributes:  []string{attrModulePath, attrCacheResult},
	}
	moduleTransferred = Metric{
		Name: "goproxy.module.transferred", Unit: "By", Kind: Counter,
		Description: "Body bytes of answers to requests that name a module and weren't redirected elsewhere, by the heaviest modules; the rest is _other.",
		Attributes:  []string{attrModulePath, attrCacheResult},
	}
	requests = Metric{
		Name: "goproxy.requests", Unit: "{request}", Kind: Counter,
		Description: "Requests to the observed proxy, by the heaviest clients; the rest is _other.",
		Attributes:  []string{attrClientName},
	}
	privateLeaks = Metric{
		Name: "goproxy.private.leaks", Unit: "{request}", Kind: Counter,
		Description: "Requests that told a public module proxy or checksum database of a private module, or would have told without the block.",
		Attributes:  []string{attrLeakPattern},
	}
	cacheMisses = Metric{
		Name: "goproxy.cache.misses", Unit: "{request}", Kind: Counter,
		Description: "Requests to the observed proxy that its cache could not answer, by the reason.",
		Attributes:  []string{attrOperation, attrMissReason},
	}
	checksumFailures = Metric{
		Name: "goproxy.checksum.failures", Unit: "{request}", Kind: Counter,
		Description: "Requests to the observed proxy that failed because a module isn't what the checksum database says.",
	}
	evidenceConflicts = Metric{
		Name: "goproxy.cache.evidence.conflicts", Unit: "{request}", Kind: Counter,
		Description: "Requests to the observed proxy for which two sources of evidence name contradicting cache results.",
	}
	upstreamFallthroughs = Metric{
		Name: "goproxy.upstream.fallthroughs", Unit: "{request}", Kind: Counter,
		Description: "Requests to an upstream after which the next element of the GOPROXY list was asked, by the reason.",
		Attributes:  []string{attrServerAddress, attrUpstreamReason},
	}
)

// The metrics that are read live, by their owners.
var (
	// ActiveRequests is read from [Active].
	ActiveRequests = Metric{
		Name: "http.server.active_requests", Unit: "{request}", Kind: UpDownCounter,
		Description: "Requests to the observed proxy that are being answered now.",
		Attributes:  []string{attrMethod, attrScheme, attrOperation},
	}
	// CacheSize, CacheFiles and CacheEvictions are read from the embedded proxy.
	CacheSize = Metric{
		Name: "goproxy.cache.size", Unit: "By", Kind: Gauge,
		Description: "What the embedded proxy's cache takes of the disk: files, directories and running fetches.",
	}
	CacheFiles = Metric{
		Name: "goproxy.cache.files", Unit: "{file}", Kind: Gauge,
		Description: "Files in the embedded proxy's cache.",
	}
	CacheEvictions = Metric{
		Name: "goproxy.cache.evictions", Unit: "{file}", Kind: Counter,
		Description: "Files that the embedded proxy's cache removed to keep its bound.",
	}
	// CircuitState is read from the walkers of GOPROXY lists, as OpenTelemetry has a state
	// (https://opentelemetry.io/docs/specs/semconv/how-to-write-conventions/status-metrics/).
	CircuitState = Metric{
		Name: "goproxy.upstream.circuit.state", Unit: "1", Kind: UpDownCounter,
		Description: "1 for the state that an upstream's circuit breaker is in (closed, half_open or open), 0 for the two others.",
		Attributes:  []string{attrServerAddress, attrCircuitState},
	}
	// CertificateNotAfter is read from what upstreams have shown and from the
	// listeners. It has one of its two attributes.
	CertificateNotAfter = Metric{
		Name: "goproxy.tls.certificate.not_after.timestamp", Unit: "s", Kind: Gauge,
		Description: "When a certificate expires, as seconds since 1970: the one that an upstream showed last, within the last 24 hours, or a listener's own.",
		Attributes:  []string{attrServerAddress, attrListener},
	}
)

// Declared returns every metric that Modtap emits of the traffic.
func Declared() []Metric {
	return []Metric{
		serverDuration, phaseDuration, serverBodySize, ActiveRequests, clientDuration, clientBodySize, toolchainRequests,
		moduleRequests, moduleTransferred, requests, sessionDuration, sessionRequests, privateLeaks, cacheMisses, evidenceConflicts, checksumFailures, CacheSize, CacheFiles, CacheEvictions, upstreamFallthroughs, CircuitState, CertificateNotAfter,
	}
}
