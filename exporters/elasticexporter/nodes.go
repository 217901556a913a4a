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

	"github.com/olivere/elastic/v7"
)

// nodes are the cluster's nodes. Each has a client of its own, since a client
// that knows several never returns to one that failed while others answer.
type nodes struct {
	clients   []*elastic.Client
	next      atomic.Uint64
	transport *http.Transport
}

// newNodes makes the clients without asking anything of the cluster.
func newNodes(ctx context.Context, cfg *Config) (*nodes, error) {
	tlsConfig, err := cfg.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	if queue := cfg.QueueConfig.Get(); queue != nil {
		transport.MaxIdleConnsPerHost = queue.NumConsumers
	}
	n := &nodes{transport: transport}
	for i, raw := range cfg.Endpoints {
		client, err := newClient(cfg, raw, transport)
		if err != nil {
			return nil, fmt.Errorf("endpoints[%d]: %w", i, err)
		}
		n.clients = append(n.clients, client)
	}
	return n, nil
}

func newClient(cfg *Config, raw string, transport *http.Transport) (*elastic.Client, error) {
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
		elastic.SetHttpClient(&http.Client{Transport: transport}),
		elastic.SetBasicAuth(user, password),
		elastic.SetHeaders(headers),
		elastic.SetSniff(false),
		elastic.SetHealthcheck(false),
	)
}

// do calls the nodes in turn until one can be reached.
func (n *nodes) do(ctx context.Context, call func(*elastic.Client) error) error {
	first := n.next.Add(1)
	var errs []error
	for i := range uint64(len(n.clients)) {
		client := n.clients[(first+i)%uint64(len(n.clients))]
		err := call(client)
		if elastic.IsConnErr(err) {
			// After a call that failed the client rests for one.
			err = call(client)
		}
		if err == nil || ctx.Err() != nil || !isUnreachable(err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// isUnreachable tells whether no answer came at all.
func isUnreachable(err error) bool {
	var inTransport *url.Error
	return elastic.IsConnErr(err) || errors.As(err, &inTransport)
}

func (n *nodes) close() {
	for _, client := range n.clients {
		client.Stop()
	}
	n.transport.CloseIdleConnections()
}
