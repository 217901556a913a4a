// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/modtap/modtap/internal/bytesize"
	"github.com/modtap/modtap/internal/chain"
	"github.com/modtap/modtap/internal/duration"
	"github.com/modtap/modtap/internal/exchange"
	"github.com/modtap/modtap/internal/frontdoor"
	"github.com/modtap/modtap/internal/netaddr"
	"github.com/modtap/modtap/internal/redact"
	"github.com/modtap/modtap/internal/tap/instance"
)

// Embedded is the value of [Config.Upstream] that stands for the embedded proxy.
const Embedded = "embedded"

// Config is the receiver's configuration.
type Config struct {
	instance.Config `mapstructure:",squash"`

	// Ingress is where clients connect.
	Ingress ListenerConfig `mapstructure:"ingress"`
	// Egress is where the proxy beside us sends its own upstream requests, so that
	// hit and miss can be told; the list behind it is GOPROXY. Default: off.
	Egress ListenerConfig `mapstructure:"egress"`
	// UnseenPatterns are the module path prefixes that the proxy beside us fetches
	// past the egress: its own GONOPROXY or GOPRIVATE. Default: not known; a hit is
	// then claimed only for what was seen to be fetched or answered before.
	UnseenPatterns *string `mapstructure:"unseen_patterns"`
	// SharedStorage says that others fill the storage of the proxy beside us too,
	// so that no hit can be claimed from the egress. Default: false.
	SharedStorage bool `mapstructure:"shared_storage"`
	// WiringMemory is how long what was seen of the proxy beside us, and of a file in
	// it, proves anything. Default: 24h.
	WiringMemory time.Duration `mapstructure:"wiring_memory"`
	// Upstream is what answers: "embedded", or the URL of the proxy beside us.
	// Default: embedded.
	Upstream string `mapstructure:"upstream"`
	// Forward says how the proxy beside us is asked.
	Forward ForwardConfig `mapstructure:"forward"`
	// GOPROXY is the list behind the embedded proxy and behind the egress
	// (https://go.dev/ref/mod#environment-variables). Default: the user's
	// `go env GOPROXY`.
	GOPROXY string `mapstructure:"goproxy"`
	// DirectPatterns are module path prefixes, as in GOPRIVATE, that may be fetched from
	// version control for clients on other machines. Default: none; where all listeners
	// are on loopback every module may be.
	DirectPatterns string `mapstructure:"direct_patterns"`
	// AllowedHosts are the names, as in Host, that a loopback listener answers to
	// besides loopback's own: names, addresses, *.name for all below it, * for all.
	// Listeners at other addresses answer to every name. Default: none.
	AllowedHosts []string `mapstructure:"allowed_hosts"`
	// TrustedProxies are the addresses or networks whose Forwarded and
	// X-Forwarded-For headers tell client.address. Default: none.
	TrustedProxies []string `mapstructure:"trusted_proxies"`
	// ClientHeader is a request header that names the client, for example one that a
	// trusted proxy sets. It wins over the common name of a client certificate, and
	// that over the user of Basic authorization. Default: none.
	ClientHeader string `mapstructure:"client_header"`
	// Propagators are the trace context formats that are read and written:
	// tracecontext, b3, b3multi, jaeger. Default: tracecontext.
	Propagators []string `mapstructure:"propagators"`
	// Cache is the embedded proxy's cache.
	Cache CacheConfig `mapstructure:"cache"`
	// LeakPatterns are the module path prefixes, as in GOPRIVATE, of which no public
	// module proxy or checksum database is to hear. Default: the user's
	// `go env GOPRIVATE`.
	LeakPatterns *string `mapstructure:"leak_patterns"`
	// LeakAction says what is done with a request that would tell of them: report
	// or block. Default: report.
	LeakAction LeakAction `mapstructure:"leak_action"`
	// Chain says how the elements of the GOPROXY list are asked.
	Chain ChainConfig `mapstructure:"chain"`
}

// ListenerConfig is one listener.
type ListenerConfig struct {
	// Endpoint is the address to listen on, host:port. Default: 127.0.0.1:8081 for
	// the ingress, none for the egress.
	Endpoint string `mapstructure:"endpoint"`
	// TLS turns on HTTPS with HTTP/2; with reload_interval certificates are
	// reloaded. Default: off.
	TLS configoptional.Optional[configtls.ServerConfig] `mapstructure:"tls"`
	// ReadHeaderTimeout bounds the time for a request's header. Default: 10s.
	ReadHeaderTimeout time.Duration `mapstructure:"read_header_timeout"`
	// IdleTimeout is how long an idle connection is kept. Default: 3m.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// WriteTimeout is how long a client may take nothing of its answer: a slow download
	// goes on as long as it moves. Zero: no bound. Default: 60s.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// MaxHeaderBytes bounds a request's header. Default: 65536.
	MaxHeaderBytes bytesize.Size `mapstructure:"max_header_bytes"`
	// ShutdownTimeout is how long running downloads may take at a stop. Default: 30s.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
}

// ForwardConfig is how the proxy beside us is asked.
type ForwardConfig struct {
	// TLS is for an https upstream. Default: the system's certificates.
	TLS configtls.ClientConfig `mapstructure:"tls"`
	// DialTimeout bounds the time to connect. Default: 10s.
	DialTimeout time.Duration `mapstructure:"dial_timeout"`
	// ResponseHeaderTimeout bounds the time to the answer's header. Default: 5m.
	ResponseHeaderTimeout time.Duration `mapstructure:"response_header_timeout"`
	// IdleBodyTimeout bounds the time for the next bytes of its body; the client then
	// sees a broken transfer. Zero: no bound. Default: 60s.
	IdleBodyTimeout time.Duration `mapstructure:"idle_body_timeout"`
}

var _ component.Config = (*Config)(nil)

func newDefaultConfig() *Config {
	return &Config{
		Config:  instance.NewDefaultConfig("goproxy"),
		Ingress: defaultListener("127.0.0.1:8081"),
		Egress:  defaultListener(""),

		WiringMemory: 24 * time.Hour,

		Upstream: Embedded,
		Forward: ForwardConfig{
			TLS:                   configtls.NewDefaultClientConfig(),
			DialTimeout:           10 * time.Second,
			ResponseHeaderTimeout: 5 * time.Minute,
			IdleBodyTimeout:       time.Minute,
		},
		Propagators: []string{"tracecontext"},
		Cache:       CacheConfig{MaxSize: 10 << 30},
		LeakAction:  LeakReport,
		Chain:       defaultChain(),
	}
}

func defaultListener(endpoint string) ListenerConfig {
	return ListenerConfig{
		Endpoint:          endpoint,
		TLS:               configoptional.Default(configtls.NewDefaultServerConfig()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       3 * time.Minute,
		WriteTimeout:      time.Minute,
		MaxHeaderBytes:    64 << 10,
		ShutdownTimeout:   30 * time.Second,
	}
}

func (c *Config) listener(side exchange.Side) *ListenerConfig {
	if side == exchange.Egress {
		return &c.Egress
	}
	return &c.Ingress
}

// Validate returns all faults, each with its key.
func (c *Config) Validate() error {
	errs := []error{c.Check(), c.Ingress.validate("ingress")}
	if c.Egress.Endpoint != "" {
		errs = append(errs, c.Egress.validate("egress"))
	}
	if c.Upstream != Embedded {
		if _, err := upstreamURL(c.Upstream); err != nil {
			errs = append(errs, fmt.Errorf("upstream: %w", err))
		}
	}
	if c.GOPROXY != "" {
		if _, err := chain.Parse(c.GOPROXY); err != nil {
			errs = append(errs, fmt.Errorf("goproxy: %w", err))
		}
	}
	if err := frontdoor.Validate(c.AllowedHosts); err != nil {
		errs = append(errs, fmt.Errorf("allowed_hosts: %w", err))
	}
	if _, err := prefixes(c.TrustedProxies); err != nil {
		errs = append(errs, fmt.Errorf("trusted_proxies: %w", err))
	}
	if strings.ContainsFunc(c.ClientHeader, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		errs = append(errs, fmt.Errorf("client_header: %q is no name of a header; write for example X-Forwarded-User", c.ClientHeader))
	}
	if _, err := newPropagator(c.Propagators); err != nil {
		errs = append(errs, fmt.Errorf("propagators: %w", err))
	}
	errs = append(errs, duration.CheckAll(
		duration.Key{Name: "wiring_memory", Value: c.WiringMemory},
		duration.Key{Name: "forward::dial_timeout", Value: c.Forward.DialTimeout},
		duration.Key{Name: "forward::response_header_timeout", Value: c.Forward.ResponseHeaderTimeout},
		duration.Key{Name: "forward::idle_body_timeout", Value: c.Forward.IdleBodyTimeout},
	))
	errs = append(errs, c.Cache.validate(), c.validateLeaks(), c.Chain.validate())
	return errors.Join(errs...)
}

func (l *ListenerConfig) validate(key string) error {
	var errs []error
	if _, _, err := net.SplitHostPort(l.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("%s::endpoint: %q is no host:port; write for example 127.0.0.1:8081", key, l.Endpoint))
	}
	errs = append(errs, duration.CheckAll(
		duration.Key{Name: key + "::read_header_timeout", Value: l.ReadHeaderTimeout},
		duration.Key{Name: key + "::idle_timeout", Value: l.IdleTimeout},
		duration.Key{Name: key + "::write_timeout", Value: l.WriteTimeout},
		duration.Key{Name: key + "::shutdown_timeout", Value: l.ShutdownTimeout},
	))
	if l.MaxHeaderBytes < 0 {
		errs = append(errs, fmt.Errorf("%s::max_header_bytes: %d is negative", key, l.MaxHeaderBytes))
	}
	return errors.Join(errs...)
}

// upstreamURL reads the URL of the proxy beside us.
func upstreamURL(s string) (*url.URL, error) {
	const example = "write for example http://127.0.0.1:3000"
	u, err := url.Parse(s)
	switch {
	case isList(s, u):
		return nil, errors.New("is a GOPROXY list, but upstream (MODTAP_UPSTREAM) is the URL of the one proxy that Modtap stands in front of; " +
			"for the embedded proxy write the list as goproxy (MODTAP_EGRESS_UPSTREAM) and leave upstream out")
	case !strings.Contains(s, "://"):
		return nil, fmt.Errorf("%q is neither %q nor a URL with a scheme; %s", redact.Address(s), Embedded, example)
	case err != nil:
		// The reason in err quotes what may be part of a password.
		return nil, fmt.Errorf("%q can't be read, special characters of user and password are written %%XX; %s", redact.Placeholder, example)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is no http or https URL; %s", redact.URL(u), example)
	case u.Host == "":
		return nil, fmt.Errorf("%q names no host; %s", redact.URL(u), example)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has a query or a fragment; leave it out", redact.URL(u))
	}
	if err := netaddr.CheckHost(u); err != nil {
		return nil, fmt.Errorf("%q %w; %s", redact.URL(u), err, example)
	}
	return u, nil
}

// isList reports whether what should be one URL is a GOPROXY list; u is nil if it
// is no URL. The path of a proxy has no comma.
func isList(s string, u *url.URL) bool {
	return netaddr.IsList(strings.TrimSpace(s), u) || u != nil && strings.ContainsAny(u.Path+u.Opaque, ",|")
}

func prefixes(trusted []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(trusted))
	for _, s := range trusted {
		if a, err := netip.ParseAddr(s); err == nil {
			a = a.Unmap().WithZone("")
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network; write for example 10.0.0.0/8", s)
		}
		out = append(out, p)
	}
	return out, nil
}
