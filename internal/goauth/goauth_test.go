// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goauth

import (
	"bufio"
	"bytes"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// environment is a set of variables.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestResponse(t *testing.T) {
	got := response([]string{"https://a.example", "https://b.example/go"}, "parent", environment("CI", "true", "JOB_NAME", "build"))
	assert.Regexp(t, `^https://a\.example

Traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01
Tracestate: modtap=root
Modtap-Owner: [0-9a-f]{32}
Modtap-Ci-System: generic
Modtap-Ci-Job: build

https://b\.example/go

Traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01
Tracestate: modtap=root
Modtap-Owner: [0-9a-f]{32}
Modtap-Ci-System: generic
Modtap-Ci-Job: build

$`, got)
	ids := traceparent.FindAllString(got, -1)
	assert.Equal(t, ids[0], ids[1])
	again := response([]string{"https://a.example", "https://b.example/go"}, "parent", environment("CI", "true", "JOB_NAME", "build"))
	assert.Equal(t, got, again, "one parent, one trace")
	other := response([]string{"https://a.example"}, "another parent", environment())
	assert.NotEqual(t, got[strings.Index(got, "00-"):][:55], other[strings.Index(other, "00-"):][:55])
	assert.NotContains(t, other, "Modtap-Ci")
}

func TestURLPrefixes(t *testing.T) {
	for _, c := range []struct {
		name, goproxy string
		named, want   []string
		err           string
	}{
		{name: "nothing"},
		{name: "the first of GOPROXY", goproxy: "https://a.example/go, https://b.example|direct", want: []string{"https://a.example/go"}},
		{name: "with a password, as the go command looks it up", goproxy: "https://u:p@a.example,direct", want: []string{"https://u:p@a.example"}},
		{name: "plain HTTP has no GOAUTH", goproxy: "http://a.example,https://b.example"},
		{name: "off", goproxy: "off"},
		{name: "named", goproxy: "https://a.example", named: []string{"https://c.example", "https://d.example"}, want: []string{"https://c.example", "https://d.example"}},
		{name: "named wrongly", named: []string{"c.example"}, err: `"c.example" is no https:// URL`},
		{name: "without the password", named: []string{"http://u:secret@c.example"}, err: `"http://c.example" is no https:// URL`},
		{name: "two lines", named: []string{"https://c.example\nX"}, err: `"(URL)" is no https:// URL`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := urlPrefixes(c.named, c.goproxy)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestJob(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want [len(headers)]string
	}{
		{"none", nil, [7]string{}},
		{"CI=false", []string{"CI", "false", "JOB_NAME", "x"}, [7]string{}},
		{
			"GitLab CI",
			[]string{
				"CI", "true", "GITLAB_CI", "true", "CI_PROJECT_PATH", "group/project", "CI_PIPELINE_ID", "11", "CI_PIPELINE_URL", "https://gitlab.example/11",
				"CI_JOB_NAME", "build", "CI_JOB_ID", "12", "CI_JOB_URL", "https://gitlab.example/12",
			},
			[7]string{"gitlab", "group/project", "11", "https://gitlab.example/11", "build", "12", "https://gitlab.example/12"},
		},
		{
			"GitHub Actions",
			[]string{
				"CI", "true", "GITHUB_ACTIONS", "true", "GITHUB_WORKFLOW", "test", "GITHUB_RUN_ID", "21", "GITHUB_JOB", "unit",
				"GITHUB_SERVER_URL", "https://github.example", "GITHUB_REPOSITORY", "o/r",
			},
			[7]string{"github", "test", "21", "https://github.example/o/r/actions/runs/21", "unit", "", ""},
		},
		{
			"Jenkins",
			[]string{"JENKINS_URL", "https://jenkins.example", "JOB_NAME", "folder/job", "BUILD_NUMBER", "31", "BUILD_URL", "https://jenkins.example/31", "STAGE_NAME", "Build"},
			[7]string{"jenkins", "folder/job", "31", "https://jenkins.example/31", "Build", "", ""},
		},
		{
			"Buildkite",
			[]string{
				"CI", "true", "BUILDKITE", "true", "BUILDKITE_PIPELINE_SLUG", "p", "BUILDKITE_BUILD_ID", "41", "BUILDKITE_BUILD_URL", "https://bk.example/41",
				"BUILDKITE_STEP_KEY", "go", "BUILDKITE_JOB_ID", "42",
			},
			[7]string{"buildkite", "p", "41", "https://bk.example/41", "go", "42", ""},
		},
		{"any other", []string{"CI", "1", "JOB_NAME", " a\r\nX-Evil: b ", "BUILD_ID", "51"}, [7]string{"generic", "", "51", "", "a  X-Evil: b", "", ""}},
		{"long and broken", []string{"CI", "1", "JOB_NAME", strings.Repeat("é", 200) + "\xff"}, [7]string{"generic", "", "", "", strings.Repeat("é", 128), "", ""}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, jobHeaders(environment(c.env...))) })
	}
}

func FuzzHeaderValue(f *testing.F) {
	f.Add("build")
	f.Add("a\r\nb\x00\xff" + strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, v string) {
		line := "Name: " + headerValue(v) + "\r\n\r\n"
		h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(line))).ReadMIMEHeader()
		require.NoError(t, err)
		require.Len(t, h, 1)
		require.Equal(t, headerValue(v), h.Get("Name"))
		require.LessOrEqual(t, len(headerValue(v)), maxValue)
	})
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]bool{"": false, "x": false, "HTTP/1.1 404 Not Found\n\n": true} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		_, _ = w.WriteString(text)
		require.NoError(t, w.Close())
		assert.Equal(t, want, refused(r), "%q", text)
		require.NoError(t, r.Close())
	}
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	assert.False(t, refused(null))
}

func TestRemembered(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	first := remembered(7)
	assert.Equal(t, first, remembered(7))
	assert.NotEqual(t, first, remembered(8))

	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(cache, "modtap", "goauth")
	old := time.Now().Add(-2 * forget)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "7"), old, old))
	assert.NotEqual(t, first, remembered(7), "by now it is another process")
	require.NoError(t, os.Chtimes(filepath.Join(dir, "7"), old, old))
	remembered(9)
	assert.NoFileExists(t, filepath.Join(dir, "7"), "what isn't used is swept")

	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	forgotten := remembered(7)
	assert.NotEqual(t, forgotten, remembered(7), "nowhere to remember")
}

// TestNetrc: the go command takes the headers of one GOAUTH command for a prefix,
// so netrc's are said with ours.
func TestNetrc(t *testing.T) {
	path := filepath.Join(t.TempDir(), "netrc")
	require.NoError(t, os.WriteFile(path, []byte("machine a.example login ann password pw\n"+
		"machine a.example/deep login bob password pw\nmachine a.example login eve password pw\n"+
		"macdef m\nmachine b.example login x password y\n\nmachine c.example\nlogin cat\npassword pw\ndefault login d password d\nmachine late.example login x password y\n"), 0o600))
	const ann, bob, cat = "Authorization: Basic YW5uOnB3\n", "Authorization: Basic Ym9iOnB3\n", "Authorization: Basic Y2F0OnB3\n"
	for _, c := range []struct{ name, goauth, prefix, want string }{
		{"named", "modtap-goauth;netrc", "https://a.example", ann},
		{"not named", "modtap-goauth", "https://a.example", ""},
		{"with a slash", "modtap-goauth ; netrc", "https://a.example/", ann},
		{"path below", "modtap-goauth;netrc", "https://a.example/deep/er", bob},
		{"port is another machine", "modtap-goauth;netrc", "https://a.example:8443", ""},
		{"user in the URL", "modtap-goauth;netrc", "https://u:p@a.example", ""},
		{"in a macro", "modtap-goauth;netrc", "https://b.example", ""},
		{"on several lines", "modtap-goauth;netrc", "https://c.example", cat},
		{"stranger", "modtap-goauth;netrc", "https://z.example", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := response([]string{c.prefix}, "p", environment("GOAUTH", c.goauth, "NETRC", path))
			if c.want == "" {
				assert.NotContains(t, got, "Authorization")
			} else {
				assert.Contains(t, got, c.want)
			}
		})
	}
	assert.NotContains(t, response([]string{"https://a.example"}, "p", environment("GOAUTH", "netrc", "NETRC", path+"x")), "Authorization")
}

var traceparent = regexp.MustCompile(`(?m)^Traceparent: (\S+)$`)

// TestCommand runs the command as the go command does, and takes its time.
func TestCommand(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "modtap-goauth")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "../../cmd/modtap-goauth").CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := func(stdin string, args ...string) string {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "GOPROXY=https://proxy.example,direct")
		if stdin != "" {
			cmd.Stdin = strings.NewReader(stdin)
		}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Run(), "%s", &stderr)
		return stdout.String()
	}
	first := run("")
	require.True(t, strings.HasPrefix(first, "https://proxy.example\n\n"), first)
	again := run("HTTP/1.1 404 Not Found\nContent-Length: 1\n\n", "https://stranger.example/m?go-get=1")
	assert.Equal(t, first, again, "the same for one parent, and nothing for the URL that was refused")

	const script = `"$0" https://a.example; "$0" https://a.example; true`
	both, err := exec.Command("sh", "-c", script, binary).Output()
	require.NoError(t, err)
	ids := traceparent.FindAllStringSubmatch(string(both), -1)
	require.Len(t, ids, 2)
	assert.Equal(t, ids[0][1], ids[1][1])
	assert.NotContains(t, first, ids[0][1], "another parent is another trace")

	// The smallest Go program is the measure, in turn with ours: whatever else the machine
	// does weighs on both.
	source, smallest := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "smallest")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600))
	out, err = exec.Command("go", "build", "-o", smallest, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	const rounds = 50
	var ours, theirs [rounds]time.Duration
	for i := range rounds {
		start := time.Now()
		require.NoError(t, exec.Command(smallest).Run())
		theirs[i] = time.Since(start)
		start = time.Now()
		run("")
		ours[i] = time.Since(start)
	}
	slices.Sort(ours[:])
	slices.Sort(theirs[:])
	t.Logf("modtap-goauth takes %s, start and end included, the smallest Go program %s", ours[rounds/2], theirs[rounds/2])
	assert.Less(t, ours[rounds/2], 5*theirs[rounds/2], "a bare collector takes ten times as long")
}
