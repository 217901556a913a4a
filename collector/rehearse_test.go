// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package collector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/modtap/modtap/test/port"
)

// pair writes a certificate and its key.
func pair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

// impossible makes things at which no file and no folder can be made. want is a file's or
// a folder's part of the error.
func impossible(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), nil, 0o600))
	require.NoError(t, os.Symlink(at("file"), at("to-file")))
	require.NoError(t, os.Symlink(at("nowhere/x"), at("dangling")))
	require.NoError(t, os.Symlink(at("loop"), at("loop")))
	all := map[string]string{
		"below a file": at("file/x"), "deep below a file": at("file/x/y/z"), "below a link to a file": at("to-file/x"),
		"below a link into nowhere": at("dangling/x"), "below a loop of links": at("loop/x"),
		"a long name": at(strings.Repeat("n", 300)), "below a long name": at(strings.Repeat("n", 300) + "/x"),
	}
	if _, err := os.Stat("/proc/self/status"); err == nil {
		all["in /proc"], all["in /sys"] = "/proc/modtap-x/y", "/sys/modtap-x/y"
	}
	return all
}

type refusedCase struct {
	env  map[string]string
	args []string
}

// refusals are configurations that a start refuses at once.
func refusals(t *testing.T) map[string]refusedCase {
	t.Helper()
	all := make(map[string]refusedCase)
	dir := t.TempDir()
	with := func(name string, env map[string]string, args ...string) { all[name] = refusedCase{env, args} }
	for name, path := range impossible(t) {
		with("data directory: "+name, map[string]string{"MODTAP_DATA": path})
		with("log: "+name, map[string]string{"MODTAP_LOG": path})
		with("data_dir of the receiver: "+name, nil, "--set", "receivers.goproxy.data_dir="+path)
		with("directory of the queue: "+name, nil, "--set", "extensions.file_storage.directory="+path)
		with("file of its own log: "+name, nil, "--set", "service.telemetry.logs.output_paths=["+path+"]")
	}
	file := filepath.Join(dir, "a-file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	with("data directory: a file", map[string]string{"MODTAP_DATA": file})
	with("log: a directory", map[string]string{"MODTAP_LOG": dir})

	// What a data directory may hold in the place of Modtap's own.
	for _, inside := range []string{"lock", "goproxy", "goproxy/instance.id", "goproxy/client.key", "goproxy/journal", "goproxy/cache", "goproxy/cache/download", "goproxy/cache/sumdb", "queue"} {
		for kind, put := range map[string]func(string) error{
			"a file":      func(p string) error { return os.WriteFile(p, nil, 0o600) },
			"a folder":    func(p string) error { return os.Mkdir(p, 0o700) },
			"a link":      func(p string) error { return os.Symlink(file, p) },
			"a dead link": func(p string) error { return os.Symlink(filepath.Join(dir, "nowhere"), p) },
		} {
			isFile := slices.Contains([]string{"lock", "goproxy/instance.id", "goproxy/client.key"}, inside)
			if isFile && kind == "a file" || !isFile && kind == "a folder" {
				continue
			}
			data := filepath.Join(t.TempDir(), "data")
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(data, inside)), 0o700))
			require.NoError(t, put(filepath.Join(data, inside)))
			with("data directory with "+kind+" for "+inside, map[string]string{"MODTAP_DATA": data})
		}
	}

	certA, keyA := pair(t, dir, "a")
	_, keyB := pair(t, dir, "b")
	text := filepath.Join(dir, "text.pem")
	require.NoError(t, os.WriteFile(text, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600))
	with("another's key", map[string]string{"MODTAP_TLS_CERT": certA, "MODTAP_TLS_KEY": keyB})
	with("no certificate in the file", map[string]string{"MODTAP_TLS_CERT": text, "MODTAP_TLS_KEY": keyA})
	with("egress: another's key", map[string]string{"MODTAP_EGRESS_LISTEN": "127.0.0.1:0"},
		"--set", "receivers.goproxy.egress.tls.cert_file="+certA, "--set", "receivers.goproxy.egress.tls.key_file="+keyB)
	own := filepath.Join(dir, "own.yaml")
	require.NoError(t, os.WriteFile(own, []byte("exporters:\n  otlp_http:\n    endpoint: https://127.0.0.1:1\n  elastic: {urls: [\"https://127.0.0.1:1\"]}\n"+
		"receivers:\n  otlp: {protocols: {http: {endpoint: \"127.0.0.1:0\"}, grpc: {endpoint: \"127.0.0.1:0\"}}}\n"+
		"service: {pipelines: {traces: {receivers: [goproxy, otlp], exporters: [otlp_http]}, logs: {receivers: [goproxy], exporters: [elastic]}}}\n"), 0o600))
	for name, key := range map[string]string{
		"forward": "receivers.goproxy.forward", "chain": "receivers.goproxy.chain", "otlp exporter": "exporters.otlp_http", "elastic": "exporters.elastic",
		"ingress": "receivers.goproxy.ingress", "health port": "extensions.health", "otlp receiver over HTTP": "receivers.otlp.protocols.http", "otlp receiver over gRPC": "receivers.otlp.protocols.grpc",
	} {
		for kind, path := range map[string]string{"missing": filepath.Join(dir, "missing.pem"), "a directory": dir, "no PEM": file, "no certificate": text} {
			args := []string{"--config", "modtap:base", "--config", own}
			if strings.Contains(name, "receiver") || name == "ingress" || name == "health port" {
				args = append(args, "--set", key+".tls.cert_file="+path, "--set", key+".tls.key_file="+keyA)
			} else {
				args = append(args, "--set", key+".tls.ca_file="+path)
			}
			env := map[string]string{}
			if name == "forward" {
				env["MODTAP_UPSTREAM"] = "https://127.0.0.1:1"
			}
			with("TLS of "+name+": "+kind, env, args...)
		}
	}
	for name, part := range map[string]string{
		"logs": "logs: {processors: [{batch: {exporter: {otlp: %s}}}]}", "traces": "traces: {processors: [{batch: {exporter: {otlp: %s}}}]}",
		"metrics": "metrics: {readers: [{periodic: {exporter: {otlp: %s}}}]}",
	} {
		for kind, exporter := range map[string]string{
			"no protocol": "{endpoint: \"http://127.0.0.1:1\"}", "an unknown protocol": "{protocol: x/y, endpoint: \"http://127.0.0.1:1\"}",
			"no URL": "{protocol: http/protobuf, endpoint: \"http://u:secret@h ost:1\"}", "a bad escape": "{protocol: http/protobuf, endpoint: \"http://h/%zz\"}",
			"no certificate": "{protocol: http/protobuf, endpoint: \"https://127.0.0.1:1\", certificate: " + filepath.Join(dir, "missing.pem") + "}",
		} {
			own := filepath.Join(t.TempDir(), "telemetry.yaml")
			require.NoError(t, os.WriteFile(own, []byte("service: {telemetry: {"+fmt.Sprintf(part, exporter)+"}}\n"), 0o600))
			with("telemetry's "+name+": "+kind, nil, "--config", "modtap:base", "--config", own)
		}
	}
	for name, exporter := range map[string]string{
		"no such store": "{endpoint: \"http://127.0.0.1:1\", sending_queue: {storage: file_storage/none}}", "no such authenticator": "{endpoint: \"http://127.0.0.1:1\", auth: {authenticator: none}}",
	} {
		own := filepath.Join(t.TempDir(), "own.yaml")
		require.NoError(t, os.WriteFile(own, []byte("exporters: {otlp_http: "+exporter+"}\nservice: {pipelines: {traces: {receivers: [goproxy], exporters: [otlp_http]}}}\n"), 0o600))
		with(name, nil, "--config", "modtap:base", "--config", own)
	}
	for _, key := range []string{"extensions.health", "receivers.goproxy.ingress", "receivers.goproxy.egress"} {
		with("no certificate at all: "+key, map[string]string{"MODTAP_EGRESS_LISTEN": "127.0.0.1:0"}, "--set", key+".tls={}")
		with("another's key: "+key, map[string]string{"MODTAP_EGRESS_LISTEN": "127.0.0.1:0"}, "--set", key+".tls.cert_file="+certA, "--set", key+".tls.key_file="+keyB)
	}
	two := filepath.Join(dir, "two.yaml")
	require.NoError(t, os.WriteFile(two, []byte("receivers: {goproxy/mirror: {ingress: {endpoint: \"127.0.0.1:0\"}}}\n"+
		"service: {pipelines: {metrics/mirror: {receivers: [goproxy/mirror], exporters: [prometheus]}}}\n"), 0o600))
	with("two proxies of one name", nil, "--config", "modtap:base", "--config", two)
	with("an unknown encoding", nil, "--set", "service.telemetry.logs.encoding=none")
	address := port.Address(t)
	with("its own address", map[string]string{"MODTAP_LISTEN": address, "MODTAP_UPSTREAM": "http://" + address})
	for _, listen := range []string{"MODTAP_LISTEN", "MODTAP_EGRESS_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
		with(listen+": no such host", map[string]string{listen: "nowhere.invalid:18081"})
		with(listen+": an address of another machine", map[string]string{listen: "192.0.2.7:18081"})
		with(listen+": IPv6 of another machine", map[string]string{listen: "[2001:db8::7]:18081"})
	}
	for name, value := range map[string]string{"GOSUMDB": "a b c d", "GOPROXY": "gopher://x", "GONOSUMDB": ""} {
		if value != "" {
			with("environment: "+name, map[string]string{name: value, "MODTAP_EGRESS_UPSTREAM": ""})
		}
	}
	return all
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestValidateSaysWhatAStartSays: each configuration that a start refuses at once is
// refused by validate, in the same words and without a trace.
func TestValidateSaysWhatAStartSays(t *testing.T) {
	all := refusals(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		tt := all[name]
		t.Run(name, func(t *testing.T) {
			data := isolate(t)
			for _, listen := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
				t.Setenv(listen, "127.0.0.1:0")
			}
			t.Setenv("MODTAP_EGRESS_UPSTREAM", "https://proxy.example")
			for key, value := range tt.env {
				t.Setenv(key, value)
			}
			before := tree(t, data, tt.env["MODTAP_DATA"])
			code, stdout, stderr := modtap(t, append([]string{"validate"}, tt.args...)...)
			assert.Equal(t, before, tree(t, data, tt.env["MODTAP_DATA"]), "it leaves no trace")

			r := start(t, append([]string{"run"}, tt.args...)...)
			select {
			case started := <-r.code:
				assert.Equal(t, 1, started)
			case <-time.After(30 * time.Second):
				r.stop()
				<-r.code
				t.Fatalf("it starts: %s", r)
			}
			assert.Equal(t, 1, code, "a start says %s validate says %s", r, stdout)
			assert.Equal(t, lastLine(r.String()), lastLine(stderr))
		})
	}
}

// tree lists what is below the directories, with modes and times.
func tree(t *testing.T, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || strings.HasPrefix(path, "/proc") || strings.HasPrefix(path, "/sys") {
				return nil //nolint:nilerr // It isn't there.
			}
			info, err := d.Info()
			if err == nil {
				found = append(found, fmt.Sprint(path, info.Mode(), info.ModTime()))
			}
			return nil //nolint:nilerr // It isn't there.
		})
	}
	return found
}

// TestValidateAsAnotherUser: what only another user's permissions forbid.
func TestValidateAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		require.Empty(t, os.Getenv("CI"), "needs root")
		t.Skip("SKIPPED: another user's directories need root; not tested")
	}
	isolate(t)
	base, err := os.MkdirTemp("/tmp", "modtap-validate-") //nolint:usetesting // The other user must come through to it.
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(base)) })
	require.NoError(t, os.Chmod(base, 0o755))
	binary := filepath.Join(base, "modtap")
	copyFile(t, os.Args[0], binary)
	at := func(name string) string { return filepath.Join(base, name) }
	const nobody = 65534
	all := []string{"root", "root/x/y", "closed", "closed/x", "world", "mine", "mine/x", "locked"}
	require.NoError(t, os.Mkdir(at("root"), 0o755))
	require.NoError(t, os.Mkdir(at("closed"), 0o700))
	require.NoError(t, os.Mkdir(at("world"), 0o777))
	require.NoError(t, os.Chmod(at("world"), 0o777))
	require.NoError(t, os.Mkdir(at("mine"), 0o500))
	require.NoError(t, os.Chown(at("mine"), nobody, nobody))
	require.NoError(t, os.Mkdir(at("locked"), 0o700))
	require.NoError(t, os.WriteFile(at("locked/lock"), nil, 0o600))
	require.NoError(t, os.Chown(at("locked"), nobody, nobody))
	for _, inside := range []string{"lock", "goproxy", "queue", "queue/exporter_elastic__logs"} {
		// Planted by a third user; what they lead to could be written.
		data, elsewhere := at("planted-"+strings.ReplaceAll(inside, "/", "-")), at("elsewhere")
		_ = os.Mkdir(elsewhere, 0o700)
		require.NoError(t, os.Chown(elsewhere, nobody, nobody))
		require.NoError(t, os.MkdirAll(filepath.Join(data, filepath.Dir(inside)), 0o700))
		require.NoError(t, os.Chown(data, nobody, nobody))
		require.NoError(t, os.Chown(filepath.Join(data, filepath.Dir(inside)), nobody, nobody))
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(data, inside)))
		require.NoError(t, os.Lchown(filepath.Join(data, inside), 12345, 12345))
		all = append(all, filepath.Base(data))
	}
	for _, inside := range []string{"goproxy", "goproxy/journal", "goproxy/cache", "goproxy/cache/download", "goproxy/cache/sumdb"} {
		data := at("of-root-" + strings.ReplaceAll(inside, "/", "-"))
		require.NoError(t, os.MkdirAll(filepath.Join(data, inside), 0o755))
		for dir := inside; dir != "."; {
			dir = filepath.Dir(dir)
			require.NoError(t, os.Chown(filepath.Join(data, dir), nobody, nobody))
		}
		all = append(all, filepath.Base(data))
	}
	require.NoError(t, os.Mkdir(at("home"), 0o700))
	require.NoError(t, os.Chown(at("home"), nobody, nobody))
	run := func(t *testing.T, env map[string]string, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.Env = append(os.Environ(), asModtap+"=1", "HOME="+at("home"), "MODTAP_LISTEN=127.0.0.1:0", "MODTAP_METRICS_LISTEN=127.0.0.1:0", "MODTAP_HEALTH_LISTEN=127.0.0.1:0",
			"MODTAP_EGRESS_UPSTREAM=https://proxy.example")
		for key, value := range env {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		cmd.Dir = base
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), lastLine(string(out))
	}
	for _, dir := range all {
		for _, key := range []string{"MODTAP_DATA", "MODTAP_LOG"} {
			path := at(dir)
			if key == "MODTAP_LOG" {
				if dir == "world" || dir == "locked" || strings.HasPrefix(dir, "planted") || strings.HasPrefix(dir, "of-root") {
					continue // Nothing forbids a log there.
				}
				path += "/requests.jsonl"
			}
			t.Run(key+" in "+dir, func(t *testing.T) {
				env := map[string]string{"MODTAP_DATA": at("home/data"), key: path}
				validated, says := run(t, env, "validate")
				started, said := run(t, env, "run")
				assert.Equal(t, 1, started, said)
				assert.Equal(t, 1, validated, "a start says %s", said)
				assert.Equal(t, said, says)
			})
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// TestPortsInUse are only said: the Modtap that runs may have them.
func TestPortsInUse(t *testing.T) {
	for _, listen := range []string{"MODTAP_LISTEN", "MODTAP_EGRESS_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
		t.Run(listen, func(t *testing.T) {
			isolate(t)
			for _, other := range []string{"MODTAP_LISTEN", "MODTAP_METRICS_LISTEN", "MODTAP_HEALTH_LISTEN"} {
				t.Setenv(other, "127.0.0.1:0")
			}
			t.Setenv("MODTAP_UPSTREAM", "http://127.0.0.1:1")
			t.Setenv("MODTAP_EGRESS_UPSTREAM", "https://proxy.example")
			address := taken(t)
			t.Setenv(listen, address)
			code, _, stderr := modtap(t, "validate")
			assert.Zero(t, code, stderr)
			assert.Contains(t, stderr, "("+listen+"): address "+address+" is in use now")
		})
	}
	_, port, err := net.SplitHostPort(taken(t))
	require.NoError(t, err)
	for _, host := range []string{"", "0.0.0.0", "[::]", "127.0.0.1", "localhost"} {
		require.NoError(t, canBind(host+":0"), host)
		assert.Error(t, canBind(host+":"+port), host)
	}
}
