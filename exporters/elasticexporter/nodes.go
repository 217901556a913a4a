// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/olivere/elastic/v7"

	"github.com/modtap/modtap/internal/outbound"
)

// nodes are the cluster's nodes. Each has a client of its own, since a client
// that knows several never returns to one that failed while others answer.
type nodes struct {
	clients   []*node
	next      atomic.Uint64
	transport *transport
}

// node is one of them. One that left a request without an answer until the end
// of its time rests, so that not every other batch waits for it.
type node struct {
	*elastic.Client

	restsUntil atomic.Int64 // In nanoseconds of the Unix time.
}

// rest is how long a node is used only if all others can't be reached.
const rest = 30 * time.Second

// newNodes makes the clients without asking anything of the cluster.
func newNodes(ctx context.Context, cfg *Config) (*nodes, error) {
	tlsConfig, err := cfg.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	base := outbound.New(outbound.Settings{TLS: tlsConfig})
	if queue := cfg.QueueConfig.Get(); queue != nil {
		base.MaxIdleConnsPerHost = queue.NumConsumers
	}
	n := &nodes{transport: newTransport(base, cfg.Compression.IsCompressed())}
	for i, raw := range cfg.Endpoints {
		client, err := newClient(cfg, raw, n.transport)
		if err != nil {
			return nil, fmt.Errorf("endpoints[%d]: %w", i, err)
		}
		n.clients = append(n.clients, &node{Client: client})
	}
	return n, nil
}

func newClient(cfg *Config, raw string, transport http.RoundTripper) (*elastic.Client, error) {
	u, err := parseEndpoint(raw)
	if err != nil {
		return nil, err
	}
	user, password := cfg.User, string(cfg.Password)
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
		u.User = nil // So that no error can name it.
	}
	headers := http.Header{}
	if cfg.APIKey != "" {
		headers.Set("Authorization", "ApiKey "+string(cfg.APIKey))
	}
	return elastic.NewClient(
		elastic.SetURL(u.String()),
		elastic.SetHttpClient(outbound.Client(transport)),
		elastic.SetBasicAuth(user, password),
		elastic.SetHeaders(headers),
		elastic.SetSniff(false),
		elastic.SetHealthcheck(false),
	)
}

// do calls the nodes in turn until one can be reached, those that rest last.
func (n *nodes) do(ctx context.Context, call func(*elastic.Client) error) error {
	var errs []error
	for _, node := range n.order(time.Now()) {
		err := call(node.Client)
		if elastic.IsConnErr(err) {
			// After a call that failed the client rests for one.
			err = call(node.Client)
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			node.restsUntil.Store(time.Now().Add(rest).UnixNano())
		}
		if status := statusOf(err); status >= 300 && status < 400 {
			return fmt.Errorf("%w: it redirects: set the endpoint to where it leads", err)
		}
		if err == nil || ctx.Err() != nil || !isUnreachable(err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (n *nodes) order(now time.Time) []*node {
	first := n.next.Add(1)
	awake, resting := make([]*node, 0, len(n.clients)), []*node(nil)
	for i := range uint64(len(n.clients)) {
		node := n.clients[(first+i)%uint64(len(n.clients))]
		if node.restsUntil.Load() > now.UnixNano() {
			resting = append(resting, node)
		} else {
			awake = append(awake, node)
		}
	}
	return append(awake, resting...)
}

// isUnreachable tells whether no answer came at all.
func isUnreachable(err error) bool {
	var inTransport *url.Error
	return elastic.IsConnErr(err) || errors.As(err, &inTransport)
}

func (n *nodes) close() {
	for _, node := range n.clients {
		node.Stop()
	}
	n.transport.base.CloseIdleConnections()
}
