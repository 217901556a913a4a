// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package dashboards_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/modtap/modtap/dashboards"
	"github.com/modtap/modtap/exporters/elasticexporter"
)

// correlation is a link from a field of one data source to a query of another.
type correlation struct {
	TargetUID   string `yaml:"targetUID"`
	Label       string `yaml:"label"`
	Description string `yaml:"description"`
	Type        string `yaml:"type"`
	Config      struct {
		Type            string            `yaml:"type"`
		Field           string            `yaml:"field"`
		Target          map[string]string `yaml:"target"`
		Transformations []struct {
			Type       string `yaml:"type"`
			Field      string `yaml:"field"`
			Expression string `yaml:"expression"`
			MapValue   string `yaml:"mapValue"`
		} `yaml:"transformations"`
	} `yaml:"config"`
}

// datasources is Grafana's provisioning file, of which the keys that we use are known.
type datasources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name         string        `yaml:"name"`
		UID          string        `yaml:"uid"`
		Type         string        `yaml:"type"`
		Access       string        `yaml:"access"`
		URL          string        `yaml:"url"`
		IsDefault    bool          `yaml:"isDefault"`
		Correlations []correlation `yaml:"correlations"`
		JSONData     struct {
			HTTPMethod                  string `yaml:"httpMethod"`
			TimeInterval                string `yaml:"timeInterval"`
			ExemplarTraceIDDestinations []struct {
				Name            string `yaml:"name"`
				DatasourceUID   string `yaml:"datasourceUid"`
				URLDisplayLabel string `yaml:"urlDisplayLabel"`
			} `yaml:"exemplarTraceIdDestinations"`
			NodeGraph struct {
				Enabled bool `yaml:"enabled"`
			} `yaml:"nodeGraph"`
			TracesToLogsV2 struct {
				DatasourceUID      string `yaml:"datasourceUid"`
				SpanStartTimeShift string `yaml:"spanStartTimeShift"`
				SpanEndTimeShift   string `yaml:"spanEndTimeShift"`
				CustomQuery        bool   `yaml:"customQuery"`
				Query              string `yaml:"query"`
			} `yaml:"tracesToLogsV2"`
			TracesToMetrics struct {
				DatasourceUID      string `yaml:"datasourceUid"`
				SpanStartTimeShift string `yaml:"spanStartTimeShift"`
				SpanEndTimeShift   string `yaml:"spanEndTimeShift"`
				Tags               []struct {
					Key   string `yaml:"key"`
					Value string `yaml:"value"`
				} `yaml:"tags"`
				Queries []struct {
					Name  string `yaml:"name"`
					Query string `yaml:"query"`
				} `yaml:"queries"`
			} `yaml:"tracesToMetrics"`
			Index                      string `yaml:"index"`
			TimeField                  string `yaml:"timeField"`
			LogMessageField            string `yaml:"logMessageField"`
			LogLevelField              string `yaml:"logLevelField"`
			MaxConcurrentShardRequests int    `yaml:"maxConcurrentShardRequests"`
			DataLinks                  []struct {
				Field           string `yaml:"field"`
				URL             string `yaml:"url"`
				DatasourceUID   string `yaml:"datasourceUid"`
				URLDisplayLabel string `yaml:"urlDisplayLabel"`
			} `yaml:"dataLinks"`
		} `yaml:"jsonData"`
	} `yaml:"datasources"`
}

func strictly(t *testing.T, into any, path ...string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into))
}

// TestDatasources: an exemplar leads to Jaeger, a span to its document, a document to its trace, all by data sources that are there.
func TestDatasources(t *testing.T) {
	var file datasources
	strictly(t, &file, "provisioning", "datasources", "modtap.yaml")
	kinds := map[string]string{}
	for _, d := range file.Datasources {
		kinds[d.UID] = d.Type
	}
	assert.Equal(t, map[string]string{"modtap-prometheus": "prometheus", "modtap-jaeger": "jaeger", "modtap-elasticsearch": "elasticsearch"}, kinds)

	known := fields(t)
	for _, d := range file.Datasources {
		j := d.JSONData
		switch d.Type {
		case "prometheus":
			require.Len(t, j.ExemplarTraceIDDestinations, 1)
			assert.Equal(t, "trace_id", j.ExemplarTraceIDDestinations[0].Name, "the exemplars' label")
			assert.Equal(t, "jaeger", kinds[j.ExemplarTraceIDDestinations[0].DatasourceUID])
		case "jaeger":
			assert.Equal(t, "elasticsearch", kinds[j.TracesToLogsV2.DatasourceUID])
			assert.Contains(t, j.TracesToLogsV2.Query, "trace.id:")
			assert.Equal(t, "prometheus", kinds[j.TracesToMetrics.DatasourceUID])
			emitted, err := dashboards.Emitted()
			require.NoError(t, err)
			for _, tag := range j.TracesToMetrics.Tags {
				assert.Contains(t, emitted["http_server_request_duration_seconds_bucket"].Labels, tag.Value)
			}
		case "elasticsearch":
			config := elasticexporter.NewFactory().CreateDefaultConfig().(*elasticexporter.Config)
			assert.Equal(t, config.Index+"-*", j.Index)
			assert.Contains(t, known, j.TimeField)
			assert.Contains(t, known, j.LogMessageField)
			assert.Contains(t, known, j.LogLevelField)
			require.NotEmpty(t, j.DataLinks)
			for _, l := range j.DataLinks {
				assert.Equal(t, "jaeger", kinds[l.DatasourceUID])
			}
			require.NotEmpty(t, d.Correlations)
		}
		for _, c := range d.Correlations {
			assert.Contains(t, kinds, c.TargetUID)
			assert.Contains(t, known, c.Config.Field)
			assert.Equal(t, "query", c.Type)
			for _, transformation := range c.Config.Transformations {
				assert.Contains(t, known, transformation.Field)
			}
		}
	}
}

// TestProviders: Grafana's provisioning of dashboards is read strictly.
func TestProviders(t *testing.T) {
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name                  string            `yaml:"name"`
			Folder                string            `yaml:"folder"`
			FolderUID             string            `yaml:"folderUid"`
			Type                  string            `yaml:"type"`
			DisableDeletion       bool              `yaml:"disableDeletion"`
			AllowUIUpdates        bool              `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int               `yaml:"updateIntervalSeconds"`
			Options               map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	strictly(t, &file, "provisioning", "dashboards", "modtap.yaml")
	require.Len(t, file.Providers, 1)
	assert.Equal(t, "file", file.Providers[0].Type)
	assert.NotEmpty(t, file.Providers[0].Options["path"])
}
