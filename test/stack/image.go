// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/modtap/modtap/test/backends"
)

// image is what stands in for a container image.
type image struct {
	// program is one of test/backends; empty: Modtap, built from this checkout.
	program string
	// runs is the version of the program.
	runs string
	// binary is the path of the executable in the container, where health checks call it.
	binary string
	// env are the variables that the image itself sets.
	env map[string]string
	// ports are those that the image listens on, at 0.0.0.0.
	ports []int
	// args come before those of the file: a process has to be told what the image knows.
	args func(p *place) []string
}

// images are the images of compose.yaml by their names.
var images = map[string]image{
	"modtap": {
		runs: "this checkout", binary: "/modtap",
		// As deploy/container/Dockerfile has them.
		env: map[string]string{
			"MODTAP_DATA": "/var/lib/modtap", "MODTAP_LISTEN": "0.0.0.0:8081", "MODTAP_METRICS_LISTEN": "0.0.0.0:9464",
			"MODTAP_HEALTH_LISTEN": "0.0.0.0:13133", "MODTAP_LOG": "-",
		},
		ports: []int{8081, 9464, 13133},
	},
	"gomods/athens": {
		program: backends.ProgramAthens, runs: "v0.17.0", binary: "/bin/athens-proxy",
		env: map[string]string{"ATHENS_PORT": "0.0.0.0:3000"}, ports: []int{3000},
	},
	"jaegertracing/all-in-one": {
		program: backends.ProgramJaeger, runs: "1.76.0", binary: "/go/bin/all-in-one-linux",
		ports: slices.Sorted(maps.Keys(jaegerListeners)),
		args: func(p *place) []string {
			args := []string{"--log-level=warn"}
			for port, flag := range jaegerListeners {
				args = append(args, flag+"="+p.listen(port))
			}
			return args
		},
	},
	"elasticsearch": {
		program: backends.ProgramElasticsearch, runs: "7.10.2, the OSS build", ports: []int{9200, 9300},
		args: func(p *place) []string {
			return []string{p.path("/usr/share/elasticsearch/data"), p.port(9200), p.port(9300)}
		},
	},
	"prom/prometheus": {
		program: backends.ProgramPrometheus, runs: "v3.13.2", binary: "/bin/prometheus", ports: []int{9090},
		args: func(p *place) []string { return []string{"--web.listen-address=" + p.listen(9090), "--log.level=warn"} },
	},
	"prom/alertmanager": {
		program: backends.ProgramAlertmanager, runs: "v0.25.0", binary: "/bin/alertmanager", ports: []int{9093},
		args: func(p *place) []string { return []string{"--web.listen-address=" + p.listen(9093), "--log.level=warn"} },
	},
}

// jaegerListeners are Jaeger's ports, and the flags that move them.
var jaegerListeners = map[int]string{
	4317: "--collector.otlp.grpc.host-port", 4318: "--collector.otlp.http.host-port", 14250: "--collector.grpc-server.host-port",
	14268: "--collector.http-server.host-port", 14269: "--admin.http.host-port", 16685: "--query.grpc-server.host-port",
	16686: "--query.http-server.host-port",
}

// imageOf finds what stands in for an image such as prom/prometheus:v3.13.2, and returns its tag.
func imageOf(reference string) (found image, tag string, ok bool) {
	name, tag, _ := strings.Cut(reference, ":")
	found, ok = images[name]
	return found, tag, ok
}

// place is where a service is on this machine.
type place struct {
	service   string
	addresses map[int]string    // loopback addresses by the ports in the container
	paths     map[string]string // directories and files here by those in the container
}

func (p *place) listen(port int) string { return p.addresses[port] }

func (p *place) port(port int) string {
	_, number, _ := strings.Cut(p.addresses[port], ":")
	return number
}

func (p *place) path(container string) string { return p.paths[container] }

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
