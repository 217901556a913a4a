// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"github.com/modtap/modtap/test/backends"
)

// subject is a proxy whose verdicts are judged, in one set-up.
type subject struct {
	name   string
	family family
	// start runs the proxy with these upstreams.
	start func(w *world) *backends.Server
	// settings are more lines for Modtap's receiver.
	settings string
	script   func(w *world)
}

// family is what decides how truth is found.
type family int

const (
	athens   family = iota // fetches whole versions, once for all who wait
	goproxy                // fetches whole versions, for each request by itself
	nginx                  // a cache for HTTP, which says what it did
	embedded               // Modtap's own
)

func (f family) storage() storage {
	return []storage{athensFile, pathFile, nginxFile, pathFile}[f]
}

var subjects = []subject{
	{name: "athens", family: athens, start: athensWith(), script: everything},
	{name: "athens, mirror before egress", family: athens, start: athensWith("mirror"), script: besideMirror},
	{name: "athens, async", family: athens, start: athensWith("async"), script: asynchronous},
	{name: "goproxy", family: goproxy, start: goproxyWith(""), script: everything},
	{name: "goproxy, mirror before egress", family: goproxy, start: goproxyWith("mirror"), script: besideMirror},
	{name: "nginx", family: nginx, start: nginxWith(`proxy_cache_valid 200 1h;`), script: everything},
	{name: "nginx, stale and told", family: nginx, start: nginxWith(revalidating + `add_header X-Cache-Status $upstream_cache_status;`), script: expiring},
	{name: "nginx, stale", family: nginx, start: nginxWith(revalidating), script: expiring},
	{name: "nginx, revalidating", family: nginx, start: nginxWith(`proxy_cache_valid 200 1s; proxy_cache_revalidate on;`), script: expiring},
	{name: "embedded", family: embedded, script: everything},
}

func athensWith(variants ...string) func(w *world) *backends.Server {
	return func(w *world) *backends.Server {
		o := backends.AthensOptions{
			Goproxy: w.egress.url,
			GoEnv:   []string{"GOSUMDB=" + w.origin.gosumdb, "GONOSUMDB=none", "GONOPROXY=none", "GOPRIVATE="},
			Env:     []string{"ATHENS_SUM_DBS=https://" + w.origin.name, "SSL_CERT_FILE=" + w.origin.roots, "HOME=" + w.home},
		}
		for _, v := range variants {
			switch v {
			case "mirror":
				o.Goproxy = w.mirror.url + "," + w.egress.url
				o.GoEnv = append(o.GoEnv, "GONOPROXY="+pastPrefix, "GONOSUMDB="+pastPrefix)
			case "async":
				o.Env = append(o.Env, "ATHENS_DOWNLOAD_MODE=async")
			}
		}
		return backends.Athens(w.t, o)
	}
}

func goproxyWith(variant string) func(w *world) *backends.Server {
	return func(w *world) *backends.Server {
		list, none := w.egress.url, "none"
		if variant == "mirror" {
			list, none = w.mirror.url+","+w.egress.url, pastPrefix
		}
		return backends.Goproxy(w.t, backends.GoproxyOptions{
			Env: []string{
				"GOPROXY=" + list, "GOSUMDB=" + w.origin.gosumdb, "GONOSUMDB=" + none, "GONOPROXY=" + none, "GOPRIVATE=",
				"SSL_CERT_FILE=" + w.origin.roots, "HOME=" + w.home,
			},
			Args: []string{"--proxied-sumdbs", w.origin.name + " https://" + w.origin.name},
		})
	}
}

// revalidating lets nginx serve what has expired while it asks for it again.
const revalidating = `
	proxy_cache_valid 200 1s;
	proxy_cache_revalidate on;
	proxy_cache_background_update on;
	proxy_cache_use_stale updating error timeout http_500 http_502 http_503 http_504;
`

// nginxWith is nginx with a cache, whose own log says of each request what the cache did.
func nginxWith(settings string) func(w *world) *backends.Server {
	return func(w *world) *backends.Server {
		return backends.Nginx(w.t, backends.NginxOptions{Config: `
			proxy_cache_path {{.Dir}}/cache levels=1:2 keys_zone=modules:10m max_size=10g inactive=1h use_temp_path=off;
			log_format witness '$http_x_truth $upstream_cache_status';
			server {
				listen 127.0.0.1:{{.Port}};
				access_log {{.Dir}}/witness.log witness;
				location / {
					proxy_pass ` + w.egress.url + `;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
					proxy_cache modules;
					proxy_cache_key $request_uri;
					proxy_cache_lock on;
					proxy_ignore_headers Cache-Control Expires;
					` + settings + `
				}
			}`})
	}
}
