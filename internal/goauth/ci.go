// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goauth

import (
	"strings"

	"github.com/modtap/modtap/internal/redact"
)

// The headers that name the job which the go command runs in.
const (
	HeaderSystem      = "Modtap-Ci-System"
	HeaderPipeline    = "Modtap-Ci-Pipeline"
	HeaderPipelineRun = "Modtap-Ci-Pipeline-Run"
	HeaderPipelineURL = "Modtap-Ci-Pipeline-Url"
	HeaderJob         = "Modtap-Ci-Job"
	HeaderJobRun      = "Modtap-Ci-Job-Run"
	HeaderJobURL      = "Modtap-Ci-Job-Url"
)

// Headers returns the names of all headers about the job.
func Headers() []string { return headers[:] }

var headers = [...]string{
	HeaderSystem, HeaderPipeline, HeaderPipelineRun, HeaderPipelineURL, HeaderJob, HeaderJobRun, HeaderJobURL,
}

// systems are what CI systems set for their jobs, the first that fits: their sign
// and, for each of [headers] from the second on, the variables that may hold the
// value.
var systems = []struct {
	name, sign string
	values     [len(headers) - 1][]string
}{
	// https://docs.gitlab.com/ci/variables/predefined_variables/
	{"gitlab", "GITLAB_CI", [...][]string{
		{"CI_PIPELINE_NAME", "CI_PROJECT_PATH"},
		{"CI_PIPELINE_ID"},
		{"CI_PIPELINE_URL"},
		{"CI_JOB_NAME"},
		{"CI_JOB_ID"},
		{"CI_JOB_URL"},
	}},
	// https://docs.github.com/en/actions/reference/workflows-and-actions/variables; the
	// URL of a run is made of three of them.
	{"github", "GITHUB_ACTIONS", [...][]string{{"GITHUB_WORKFLOW"}, {"GITHUB_RUN_ID"}, nil, {"GITHUB_JOB"}, nil, nil}},
	// https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
	{"jenkins", "JENKINS_URL", [...][]string{
		{"JOB_NAME"},
		{"BUILD_ID", "BUILD_NUMBER"},
		{"BUILD_URL"},
		{"STAGE_NAME"},
		nil, nil,
	}},
	// https://buildkite.com/docs/pipelines/configure/environment-variables
	{"buildkite", "BUILDKITE", [...][]string{
		{"BUILDKITE_PIPELINE_SLUG"},
		{"BUILDKITE_BUILD_ID"},
		{"BUILDKITE_BUILD_URL"},
		{"BUILDKITE_LABEL", "BUILDKITE_STEP_KEY"},
		{"BUILDKITE_JOB_ID"},
		nil,
	}},
	{"generic", "CI", [...][]string{
		{"PIPELINE_NAME", "CI_PIPELINE_NAME"},
		{"PIPELINE_ID", "CI_PIPELINE_ID", "BUILD_ID", "BUILD_NUMBER"},
		{"BUILD_URL", "CI_BUILD_URL"},
		{"JOB_NAME", "CI_JOB_NAME"},
		{"JOB_ID", "CI_JOB_ID"},
		{"JOB_URL", "CI_JOB_URL"},
	}},
}

// jobHeaders returns the values of [headers] as the environment tells them; all
// are empty outside of CI.
func jobHeaders(env func(string) string) (values [len(headers)]string) {
	for _, s := range systems {
		if sign := env(s.sign); sign == "" || sign == "false" {
			continue
		}
		values[0] = s.name
		for i, names := range s.values {
			for _, name := range names {
				v := env(name)
				if strings.HasSuffix(headers[i+1], "-Url") {
					v = redact.Address(v)
				}
				if v = headerValue(v); v != "" {
					values[i+1] = v
					break
				}
			}
		}
		if s.name == "github" {
			values[3] = githubRun(env)
		}
		return values
	}
	return values
}

func githubRun(env func(string) string) string {
	server, repository, run := env("GITHUB_SERVER_URL"), env("GITHUB_REPOSITORY"), env("GITHUB_RUN_ID")
	if server == "" || repository == "" || run == "" {
		return ""
	}
	return headerValue(redact.Address(server + "/" + repository + "/actions/runs/" + run))
}

// maxValue is the longest value that is sent, in bytes.
const maxValue = 256

// headerValue makes v one that a header can hold.
func headerValue(v string) string {
	v = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(v, "?"))
	if len(v) > maxValue {
		v = strings.ToValidUTF8(v[:maxValue], "")
	}
	return strings.TrimSpace(v)
}
