// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package elasticexporter

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/olivere/elastic/v7"
	"go.uber.org/zap"
)

// What a data stream's backing index is closed at when retention is set; only
// whole backing indices are removed.
const (
	rolloverAge  = "1d"
	rolloverSize = "30gb"
)

// retention has the cluster remove old indices: by ILM in Elasticsearch, by ISM
// in OpenSearch. A cluster that has neither, or doesn't let us, keeps them, and
// that is said; the documents are sent all the same.
type retention struct {
	name       string // Of the policy.
	pattern    string // Of the indices, or the name of the data stream.
	after      time.Duration
	dataStream bool
	priority   int
	logger     *zap.Logger
}

// ensure puts the policy unless one with this age is there, and returns the
// policy's name for the template's index.lifecycle.name; empty where there is no
// ILM.
func (r *retention) ensure(ctx context.Context, client *elastic.Client, of server) (ilm string, err error) {
	if r.after == 0 {
		return "", nil
	}
	if of.openSearch {
		err = r.ensureISM(ctx, client)
	} else if err = r.ensureILM(ctx, client); err == nil {
		ilm = r.name
	}
	if err != nil && isRefused(err) {
		r.logger.Warn("The cluster has no index lifecycle management that this user may set; old indices stay until somebody removes them, as the exporter's README shows",
			zap.String("policy", r.name), zap.Duration("retention", r.after), zap.Error(err))
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("retention policy %s: %w", r.name, err)
	}
	return ilm, nil
}

// ensureILM: https://www.elastic.co/guide/en/elasticsearch/reference/7.10/ilm-put-lifecycle.html
func (r *retention) ensureILM(ctx context.Context, client *elastic.Client) error {
	path := "/_ilm/policy/" + r.name
	var there map[string]struct {
		Policy struct {
			Phases struct {
				Delete struct {
					MinAge string `json:"min_age"`
				} `json:"delete"`
			} `json:"phases"`
		} `json:"policy"`
	}
	found, err := get(ctx, client, path, &there)
	if err != nil || found && there[r.name].Policy.Phases.Delete.MinAge == r.age() {
		return err
	}
	hot := map[string]any{}
	if r.dataStream {
		hot["rollover"] = map[string]any{"max_age": rolloverAge, "max_size": rolloverSize}
	}
	return put(ctx, client, path, nil, map[string]any{"policy": map[string]any{"phases": map[string]any{
		"hot":    map[string]any{"actions": hot},
		"delete": map[string]any{"min_age": r.age(), "actions": map[string]any{"delete": map[string]any{}}},
	}}})
}

// ensureISM: https://docs.opensearch.org/2.19/im-plugin/ism/api/
func (r *retention) ensureISM(ctx context.Context, client *elastic.Client) error {
	path := "/_plugins/_ism/policies/" + r.name
	var there struct {
		SequenceNumber int64 `json:"_seq_no"`
		PrimaryTerm    int64 `json:"_primary_term"`
		Policy         struct {
			States []struct {
				Transitions []struct {
					Conditions struct {
						Age string `json:"min_index_age"`
					} `json:"conditions"`
				} `json:"transitions"`
			} `json:"states"`
		} `json:"policy"`
	}
	found, err := get(ctx, client, path, &there)
	if err != nil {
		return err
	}
	var params url.Values
	if found {
		for _, state := range there.Policy.States {
			for _, transition := range state.Transitions {
				if transition.Conditions.Age == r.age() {
					return nil
				}
			}
		}
		params = url.Values{"if_seq_no": {strconv.FormatInt(there.SequenceNumber, 10)}, "if_primary_term": {strconv.FormatInt(there.PrimaryTerm, 10)}}
	}
	hot := []any{} // Required, though it may be empty.
	if r.dataStream {
		hot = []any{map[string]any{"rollover": map[string]any{"min_index_age": rolloverAge, "min_size": rolloverSize}}}
	}
	return put(ctx, client, path, params, map[string]any{"policy": map[string]any{
		"description":   "Removes old documents of Modtap.",
		"default_state": "hot",
		"states": []any{
			map[string]any{"name": "hot", "actions": hot, "transitions": []any{
				map[string]any{"state_name": "delete", "conditions": map[string]any{"min_index_age": r.age()}},
			}},
			map[string]any{"name": "delete", "actions": []any{map[string]any{"delete": map[string]any{}}}, "transitions": []any{}},
		},
		"ism_template": []any{map[string]any{"index_patterns": []string{r.pattern}, "priority": r.priority}},
	}})
}

// age is the retention as both systems write it.
func (r *retention) age() string {
	if r.after%time.Hour == 0 {
		return fmt.Sprintf("%dh", r.after/time.Hour)
	}
	return fmt.Sprintf("%ds", r.after/time.Second)
}

// get decodes what is at path; what isn't there is not found.
func get(ctx context.Context, client *elastic.Client, path string, to any) (found bool, err error) {
	response, err := client.PerformRequest(ctx, elastic.PerformRequestOptions{Method: http.MethodGet, Path: path})
	if elastic.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(response.Body, to)
}

func put(ctx context.Context, client *elastic.Client, path string, params url.Values, body any) error {
	_, err := client.PerformRequest(ctx, elastic.PerformRequestOptions{Method: http.MethodPut, Path: path, Params: params, Body: body})
	return err
}
