// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T) *types.Project {
	t.Helper()
	project, err := Load(t.Context(), filepath.Join("..", ".."), map[string]string{"GOPROXY": "https://proxy.example.com", "GOSUMDB": "sum.example.com+key"})
	require.NoError(t, err)
	return project
}

// TestComposeFile: what docker compose would refuse, or start on the wrong picture, is refused here.
func TestComposeFile(t *testing.T) {
	project := load(t)
	tagged := regexp.MustCompile(`^[a-z0-9/.-]+:v?\d+\.\d+\.\d+$`)
	published := map[string]string{}
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) {
			if service.Build == nil {
				assert.Regexp(t, tagged, service.Image, "pinned")
			} else {
				assert.FileExists(t, filepath.Join(service.Build.Context, service.Build.Dockerfile))
			}
			for _, volume := range service.Volumes {
				if volume.Type == types.VolumeTypeBind {
					_, err := os.Stat(volume.Source)
					require.NoError(t, err, "docker would make an empty directory of it")
					assert.True(t, volume.ReadOnly, "%s is the checkout's", volume.Target)
				} else {
					assert.Contains(t, project.Volumes, volume.Source)
				}
			}
			for _, port := range service.Ports {
				assert.Equal(t, "127.0.0.1", port.HostIP, "nothing is open to the network")
				assert.Empty(t, published[port.Published], "port %s is published twice", port.Published)
				published[port.Published] = name
			}
			if len(service.Entrypoint) == 0 {
				assert.NotNil(t, service.HealthCheck, "others wait for its health")
			}
			for other, dependency := range service.DependsOn {
				assert.Contains(t, project.Services, other)
				assert.Equal(t, types.ServiceConditionHealthy, dependency.Condition)
			}
		})
	}
	assert.Equal(t, []string{"alertmanager", "athens", "elasticsearch", "grafana", "jaeger", "kibana", "kibana-objects", "modtap", "prometheus"},
		slices.Sorted(maps.Keys(project.Services)))
	assert.Equal(t, "3000", func() string {
		for port, name := range published {
			if name == "grafana" {
				return port
			}
		}
		return ""
	}(), "alerts link to Grafana there")
	assert.Equal(t, "GOPROXY=http://modtap:8082;GONOSUMDB=;GOPRIVATE=;GOSUMDB=sum.example.com+key", *project.Services["athens"].Environment["ATHENS_GO_BINARY_ENV_VARS"])
}

// TestComposeRefuses shows that the reading is strict.
func TestComposeRefuses(t *testing.T) {
	_, err := Load(t.Context(), filepath.Join("..", ".."), nil)
	require.ErrorContains(t, err, "GOPROXY", "what the file requires")

	text, err := os.ReadFile(filepath.Join("..", "..", file))
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"an unknown key":        {"restart: unless-stopped", "restarts: unless-stopped"},
		"an unknown service":    {"alertmanager: {condition", "alarmmanager: {condition"},
		"an undeclared volume":  {"- athens:/var", "- athena:/var"},
		"a port of no number":   {"127.0.0.1:9090:9090", "127.0.0.1:9090:http"},
		"an unknown condition":  {"athens:\n    image", "athens:\n    imagine"},
		"an unknown interval's": {"interval: 5s", "interval: five"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			changed := strings.Replace(string(text), change[0], change[1], 1)
			require.NotEqual(t, string(text), changed)
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(changed), 0o600))
			_, err := Load(t.Context(), root, map[string]string{"GOPROXY": "off"})
			assert.Error(t, err)
		})
	}
}

// TestImages: a process that stands in for an image is of the image's version, or the difference is known.
func TestImages(t *testing.T) {
	different := map[string]string{"elasticsearch": "7.10.2, the OSS build", "modtap": "this checkout"}
	absent := []string{"grafana", "kibana", "kibana-objects"}
	for name, service := range load(t).Services {
		img, tag, ok := imageOf(service.Image)
		assert.Equal(t, !slices.Contains(absent, name), ok, name)
		if ok && img.runs != tag {
			assert.Equal(t, different[name], img.runs, "%s: %s runs as %s", name, service.Image, img.runs)
		}
	}
}

func TestRewrite(t *testing.T) {
	own := &place{service: "a", addresses: map[int]string{80: "127.0.0.1:1001"}, paths: map[string]string{"/data": "/tmp/a/data", "/data/inner": "/tmp/x"}}
	r := rewriter{"a": own, "b-c": {service: "b-c", addresses: map[int]string{90: "127.0.0.1:1002"}}}
	for text, want := range map[string]string{
		"http://b-c:90/x?y=1":           "http://127.0.0.1:1002/x?y=1",
		"GOPROXY=http://b-c:90;A=B":     "GOPROXY=http://127.0.0.1:1002;A=B",
		`targets: ["b-c:90"]`:           `targets: ["127.0.0.1:1002"]`,
		"0.0.0.0:80":                    "127.0.0.1:1001",
		"http://localhost:80/d/x":       "http://localhost:80/d/x",
		"--file=/data/x.yml":            "--file=/tmp/a/data/x.yml",
		"/data/inner":                   "/tmp/x",
		"/database /other/data /data":   "/database /other/data /tmp/a/data",
		"http://example.com:90 ab-c:90": "http://example.com:90 ab-c:90",
		"job:modtap_instances:count":    "job:modtap_instances:count",
	} {
		got, err := r.text(own, text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := r.text(own, "http://b-c:91")
	require.EqualError(t, err, "a names b-c:91, but b-c has no such port: add it to expose")
}
