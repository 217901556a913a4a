// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
)

var modulePathLabel = regexp.MustCompile(`(?m)^goproxy_module_requests_total\{.*goproxy_module_path="([^"]+)"`)

// TestHeavyHitters: modules have series of their own, up to as many as configured,
// and nothing that was counted is missing.
func TestHeavyHitters(t *testing.T) {
	o := newOrigin(t)
	config := configFile(t, "receivers: {goproxy: {heavy_hitters: {modules: 5}}}\n")
	m := start(t, append(o.goproxy(), "MODTAP_LOG=off"), "run", "--config", "modtap:base", "--config", config)
	const modules, each = 20, 3
	var bytes float64
	for i := range modules {
		name := fmt.Sprintf("example.com/m%d", i)
		o.add(t, name, 1000)
		for range each {
			bytes += float64(len(getOK(t, m.proxy+"/"+name+"/@v/v1.0.0.zip")))
		}
	}
	m.until("goproxy_module_requests_total{", modules*each)
	m.until("goproxy_module_transferred_bytes_total{", bytes)
	m.until(`goproxy_requests_total{goproxy_client_name="127.0.0.1"`, modules*each)
	_, page := get(t, "http://"+m.metrics+"/metrics")
	paths := map[string]bool{}
	for _, found := range modulePathLabel.FindAllSubmatch(page, -1) {
		paths[string(found[1])] = true
	}
	assert.Len(t, paths, 6)
	assert.True(t, paths["_other"])
	m.until(`goproxy_module_requests_total{goproxy_cache_result="miss",goproxy_module_path="example.com/m0"`, 1)
	m.until(`goproxy_module_requests_total{goproxy_cache_result="hit",goproxy_module_path="example.com/m0"`, each-1)
}
