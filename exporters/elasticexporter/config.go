// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// Config is the configuration of the Elasticsearch exporter.
type Config struct {
	// Endpoints are the URLs of the cluster's nodes, such as
	// http://localhost:9200. They are used in turn. A user and password in a URL
	// are used as User and Password, and are never logged. Required.
	Endpoints []string `mapstructure:"endpoints"`

	// Index is what the names of the daily indices begin with; the day is that of
	// the document's @timestamp in UTC. The index template has this name as well.
	// Default: modtap-requests, for indices such as modtap-requests-2026.11.22.
	Index string `mapstructure:"index"`

	// SpansIndex is what Index is, for the spans of a traces pipeline.
	// Default: modtap-spans.
	SpansIndex string `mapstructure:"spans_index"`

	// DataStream writes to data streams called Index and SpansIndex instead of
	// daily indices; logs-modtap.access-default is a name that Kibana knows what to do with. An id is unique within one backing index only, so what is
	// sent twice around a rollover is there twice. Default: false.
	DataStream bool `mapstructure:"data_stream"`

	// Retention is the age at which the cluster removes an index, by ILM in
	// Elasticsearch and by ISM in OpenSearch. Default: 0, nothing is removed.
	Retention time.Duration `mapstructure:"retention"`

	// Template has the exporter look after the index template, without which
	// Elasticsearch guesses the fields' types. False is for a user who may only
	// write: then somebody else puts it, as the exporter's README shows.
	// Default: true.
	Template bool `mapstructure:"template"`

	// Compression of requests, gzip or none. Default: gzip.
	Compression configcompression.Type `mapstructure:"compression"`

	// DeadLetter is where documents go that Elasticsearch refuses for good.
	DeadLetter DeadLetterConfig `mapstructure:"dead_letter"`

	// User and Password authenticate by HTTP basic authentication. Default: none.
	User     string              `mapstructure:"user"`
	Password configopaque.String `mapstructure:"password"`

	// APIKey authenticates by an API key, in the encoded form that Elasticsearch
	// gives out (base64 of id:key). Default: none.
	APIKey configopaque.String `mapstructure:"api_key"`

	// TLS is how https endpoints are verified. Default: by the system's roots.
	TLS configtls.ClientConfig `mapstructure:"tls"`

	// Timeout bounds one attempt to send a batch, and how long a stop waits for
	// a cluster that doesn't answer. Default: 10s.
	Timeout time.Duration `mapstructure:"timeout"`

	// QueueConfig is the queue before the sending. Default: on, in memory.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// RetryConfig is how a failed batch is tried again. Default: on, and
	// max_elapsed_time is 0: a batch is never given up.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

// DeadLetterConfig is the file of refused documents, a JSON object a line with
// the document and the reason.
type DeadLetterConfig struct {
	// Path is the file, made with its directory when the first document is
	// refused. Default: none, refused documents are dropped and counted.
	Path string `mapstructure:"path"`

	// MaxMegabytes is the size in MiB at which the file is full. What is refused
	// then is dropped and counted, until somebody moves the file away.
	// Default: 100.
	MaxMegabytes int `mapstructure:"max_megabytes"`
}

var _ component.Config = (*Config)(nil)

// Validate reports every fault of the configuration by its YAML key. No message
// holds a credential.
func (cfg *Config) Validate() error {
	var errs []error
	if len(cfg.Endpoints) == 0 {
		errs = append(errs, errors.New("endpoints is required: list at least one URL such as http://localhost:9200"))
	}
	withUser := false
	for i, raw := range cfg.Endpoints {
		u, err := parseEndpoint(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoints[%d]: %w", i, err))
			continue
		}
		withUser = withUser || u.User != nil
	}
	errs = append(errs, validateIndex("index", cfg.Index), validateIndex("spans_index", cfg.SpansIndex))
	if cfg.Index == cfg.SpansIndex && cfg.Index != "" {
		errs = append(errs, fmt.Errorf("index and spans_index are both %q: name two, requests and spans have different fields", cfg.Index))
	}
	if cfg.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout is %s: it must be more than 0", cfg.Timeout))
	}
	if cfg.Retention != 0 && cfg.Retention < time.Hour {
		errs = append(errs, fmt.Errorf("retention is %s: it must be 0 (keep everything) or at least 1h", cfg.Retention))
	}
	if cfg.Retention != 0 && !cfg.Template {
		errs = append(errs, errors.New("retention is set and template is false: the policy belongs to the template; leave one of them out"))
	}
	if cfg.Compression.IsCompressed() && cfg.Compression != configcompression.TypeGzip {
		errs = append(errs, fmt.Errorf("compression is %q: Elasticsearch takes gzip or none", cfg.Compression))
	}
	if cfg.DeadLetter.Path != "" && cfg.DeadLetter.MaxMegabytes <= 0 {
		errs = append(errs, fmt.Errorf("dead_letter::max_megabytes is %d: it must be more than 0; leave dead_letter::path out for no file", cfg.DeadLetter.MaxMegabytes))
	}
	errs = append(errs, cfg.validateCredentials(withUser))
	return errors.Join(errs...)
}

func (cfg *Config) validateCredentials(withUser bool) error {
	switch {
	case cfg.User == "" && cfg.Password != "":
		return errors.New("password is set without user: set both or neither")
	case cfg.User != "" && withUser:
		return errors.New("user is set and endpoints name a user too: keep one of them")
	case cfg.APIKey != "" && (cfg.User != "" || withUser):
		return errors.New("api_key and a user are both set: keep one of them")
	}
	return nil
}

// parseEndpoint reads the URL of a node. Its errors show the URL only from behind
// the last "@" on, since a password may stand before it.
func parseEndpoint(raw string) (*url.URL, error) {
	shown := raw[strings.LastIndexByte(raw, '@')+1:]
	if shown == "" {
		return nil, errors.New("empty URL: write http://HOST:9200 or https://HOST:9200")
	}
	scheme, _, found := strings.Cut(raw, "://")
	if !found {
		return nil, fmt.Errorf("%q has no scheme: write http://%s or https://%s", shown, shown, shown)
	}
	if scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("%q is neither http:// nor https://", shown)
	}
	u, err := url.Parse(raw)
	if err != nil { // Its text may hold any part of the URL.
		return nil, fmt.Errorf("%q is part of no valid URL: write http://HOST:9200, with %%XX for special characters in user and password", shown)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%q has no host: write %s://HOST:9200", shown, scheme)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q has a query or fragment: leave it out", shown)
	}
	return u, nil
}

// indexName is what Elasticsearch takes as the beginning of an index's name,
// kept to ASCII: https://www.elastic.co/guide/en/elasticsearch/reference/7.10/indices-create-index.html
var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,199}$`)

func validateIndex(key, index string) error {
	if !indexName.MatchString(index) {
		return fmt.Errorf("%s is %q: use lower-case letters, digits, '-', '_' and '.', a letter or digit first, at most 200", key, index)
	}
	return nil
}
