// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package healthextension

import (
	"net/http"
	"slices"
)

// A path is one that the health listener answers.
type path struct {
	name  string
	serve func(*health, http.ResponseWriter)
}

// paths are all that there are. A probe of any other one is mistyped, and would
// be green for ever if it were answered with 200. livez, readyz and healthz are
// Kubernetes' names (https://kubernetes.io/docs/reference/using-api/health-checks/);
// healthz is liveness: it is what a probe that restarts the container asks, and a
// backend that is down is no reason to restart.
var paths = []path{
	{"/", (*health).alive},
	{"/livez", (*health).alive},
	{"/healthz", (*health).alive},
	{"/ready", (*health).ready},
	{"/readyz", (*health).ready},
	{"/healthy", (*health).healthy},
}

// names are those of all paths.
func names() []string {
	all := make([]string, len(paths))
	for i, p := range paths {
		all[i] = p.name
	}
	return all
}

// ServeHTTP answers GET and HEAD of a path as it is spelt in the table: no
// trailing or double slash, no dot segment leads to it.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(paths, func(p path) bool { return p.name == r.URL.Path })
	switch {
	case i < 0:
		answer(w, http.StatusNotFound, body{Status: "no such path", Paths: names()})
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, body{Status: "method not allowed; ask with GET or HEAD"})
	default:
		paths[i].serve(h, w)
	}
}
