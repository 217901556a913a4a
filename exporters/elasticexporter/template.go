// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/olivere/elastic/v7"
	"go.uber.org/zap"
)

// templateJSON is the composable index template, without what depends on the
// configuration. Whoever changes it raises its version.
//
//go:embed template.json
var templateJSON []byte

// basePriority is the priority of a template, to which the length of the index's
// name is added: of two patterns that fit an index the longer one counts, and the
// cluster refuses two of the same priority that may fit one index.
const basePriority = 200

// template is the index template, which has to be in the cluster before the
// first document: Elasticsearch would guess the types of the fields.
type template struct {
	name      string
	version   int
	body      map[string]any
	nodes     *nodes
	retention *retention
	stream    bool
	unmanaged bool // Somebody else puts it.

	ready atomic.Bool
	turn  chan struct{} // Holds one token: the right to ask the cluster.
}

func newTemplate(index string, stream bool, n *nodes, keep *retention) (*template, error) {
	var body map[string]any
	if err := json.Unmarshal(templateJSON, &body); err != nil {
		return nil, err
	}
	t := &template{
		name:      index,
		version:   int(body["version"].(float64)),
		body:      body,
		nodes:     n,
		retention: keep,
		stream:    stream,
		turn:      make(chan struct{}, 1),
	}
	pattern := index + "-*"
	if stream {
		// Another name, since the daily indices' template may still be needed.
		t.name, pattern = index+"-data-stream", index
		body["data_stream"] = map[string]any{}
	}
	body["index_patterns"] = []string{pattern}
	body["priority"] = basePriority + len(index)
	keep.name, keep.pattern, keep.dataStream, keep.priority = t.name, pattern, stream, basePriority+len(index)
	body["_meta"].(map[string]any)["retention"] = keep.after.String()
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
		return fmt.Errorf("index template %s: %w", t.name, ctx.Err())
	}
	if t.ready.Load() {
		return nil
	}
	if err := t.nodes.do(ctx, func(client *elastic.Client) error { return t.prepare(ctx, client) }); err != nil {
		return fmt.Errorf("index template %s: %w", t.name, err)
	}
	t.ready.Store(true)
	return nil
}

// forget makes the next ensure ask the cluster again.
func (t *template) forget() { t.ready.Store(false) }

func (t *template) prepare(ctx context.Context, client *elastic.Client) error {
	of, err := askServer(ctx, client)
	if err != nil {
		return err
	}
	t.nodes.transport.compatible.Store(of.isCompatible())
	if t.unmanaged {
		return nil
	}
	err = t.put(ctx, client, of)
	if isForbidden(err) {
		// The template may be there already, and documents are worth more than their fields' types.
		t.retention.logger.Warn("The index template can't be looked after, since this user may not or something in between doesn't let it; documents are sent all the same. "+
			"If the template isn't there the cluster guesses the fields' types: put it as the exporter's README shows, and set template: false",
			zap.String("template", t.name), zap.Error(err))
		return nil
	}
	return err
}

// put puts the template unless one is there that is to be kept.
func (t *template) put(ctx context.Context, client *elastic.Client, of server) error {
	there, err := client.IndexGetIndexTemplate(t.name).Do(ctx)
	if err != nil && !elastic.IsNotFound(err) {
		return err
	}
	ilm, err := t.retention.ensure(ctx, client, of)
	if err != nil {
		return err
	}
	if there != nil && t.isKept(there) {
		return nil
	}
	_, err = client.IndexPutIndexTemplate(t.name).BodyJson(t.bodyWith(ilm)).Do(ctx)
	if t.stream && elastic.IsStatusCode(err, http.StatusBadRequest) {
		return fmt.Errorf("%w; if the cluster has no data streams, as the OSS build of Elasticsearch, set data_stream: false", err)
	}
	return err
}

// isKept tells that the template that is there is this one, or a later one, or
// one that somebody changed without taking its version away.
func (t *template) isKept(there *elastic.IndicesGetIndexTemplateResponse) bool {
	found, ok := there.IndexTemplates.ByName(t.name)
	if !ok || found.IndexTemplate == nil || found.IndexTemplate.Version < t.version {
		return false
	}
	if found.IndexTemplate.Version > t.version {
		return true
	}
	retention, set := found.IndexTemplate.Meta["retention"].(string)
	return retention == t.retention.after.String() || !set && t.retention.after == 0
}

// bodyWith is the template whose indices are under a policy of ILM. The setting
// is left out where there is none: a cluster without ILM refuses it.
func (t *template) bodyWith(ilm string) map[string]any {
	index := t.body["template"].(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)
	delete(index, "lifecycle")
	if ilm != "" {
		index["lifecycle"] = map[string]any{"name": ilm}
	}
	return t.body
}
