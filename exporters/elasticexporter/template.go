// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/olivere/elastic/v7"
)

// templateJSON is the composable index template, without the patterns. Whoever
// changes it raises its version.
//
//go:embed template.json
var templateJSON []byte

// template is the index template, which has to be in the cluster before the
// first document: Elasticsearch would guess the types of the fields.
type template struct {
	name    string
	version int
	body    map[string]any
	nodes   *nodes

	ready atomic.Bool
	turn  chan struct{} // Holds one token: the right to ask the cluster.
}

func newTemplate(index string, n *nodes) (*template, error) {
	var body map[string]any
	if err := json.Unmarshal(templateJSON, &body); err != nil {
		return nil, err
	}
	body["index_patterns"] = []string{index + "-*"}
	t := &template{
		name:    index,
		version: int(body["version"].(float64)),
		body:    body,
		nodes:   n,
		turn:    make(chan struct{}, 1),
	}
	return t, nil
}

// ensure puts the template unless this version, or a later one, is there.
func (t *template) ensure(ctx context.Context) error {
	if t.ready.Load() {
		return nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.ready.Load() {
		return nil
	}
	if err := t.nodes.do(ctx, func(client *elastic.Client) error { return t.put(ctx, client) }); err != nil {
		return fmt.Errorf("index template %s: %w", t.name, err)
	}
	t.ready.Store(true)
	return nil
}

// forget makes the next ensure ask the cluster again.
func (t *template) forget() { t.ready.Store(false) }

func (t *template) put(ctx context.Context, client *elastic.Client) error {
	there, err := client.IndexGetIndexTemplate(t.name).Do(ctx)
	switch {
	case elastic.IsNotFound(err):
	case err != nil:
		return err
	default:
		found, ok := there.IndexTemplates.ByName(t.name)
		if ok && found.IndexTemplate != nil && found.IndexTemplate.Version >= t.version {
			return nil
		}
	}
	_, err = client.IndexPutIndexTemplate(t.name).BodyJson(t.body).Do(ctx)
	return err
}
