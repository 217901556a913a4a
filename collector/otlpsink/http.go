// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package otlpsink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/modtap/modtap/internal/outbound"
)

const (
	protobuf = "application/x-protobuf"
	json     = "application/json"

	// maxAnswer bounds what is read of an answer, in bytes. That to a success has some ten.
	maxAnswer = 64 << 10
	// maxText is how much of an answer is quoted in an error, in bytes.
	maxText = 200
	// maxWait bounds the wait that a backend may ask for with Retry-After.
	maxWait = 5 * time.Minute
)

// roundTripper passes on what upstream's exporter reads rightly, and turns all else into an error, which upstream tries again.
type roundTripper struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.base.RoundTrip(r)
	if err != nil {
		if cure := outbound.Cure(err.Error(), r.URL); cure != "" {
			err = fmt.Errorf("%w: %s", err, cure)
		}
		return nil, err
	}
	text, err := io.ReadAll(outbound.Limit(answer.Body, maxAnswer))
	_ = answer.Body.Close() // it was read
	if err != nil {
		return nil, describe(r, answer, "", nil, err)
	}
	if err := judge(r, answer, text); err != nil {
		return nil, err
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return answer, nil
}

// judge returns nil for what upstream reads rightly: success, what is final, and a wait that the backend asks for. The rules are
// those of OTLP/HTTP, https://opentelemetry.io/docs/specs/otlp/#otlphttp-response.
func judge(r *http.Request, answer *http.Response, text []byte) error {
	given := answer.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(given)
	if err != nil && media == "" && given != "" {
		media = "no media type"
	}
	switch status := answer.StatusCode; {
	case status >= 200 && status < 300:
		if err := checkSuccess(r, media, text); err != nil {
			return describe(r, answer, media, text, err)
		}
		if media == protobuf || media == json {
			answer.Header.Set("Content-Type", media) // upstream compares it whole
		}
		return nil
	case isFinal(status, media, text):
		return nil
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		if after := answer.Header.Get("Retry-After"); after != "" {
			answer.Header.Set("Retry-After", boundedWait(after, time.Now()))
			return nil
		}
	}
	return describe(r, answer, media, text, nil)
}

// isFinal reports whether an answer says that this data will be refused again: only the backend itself can know, so one in another
// form than a backend's comes from something in between, which knows nothing of the data. A body that is too large (413) isn't
// final: the bound is configured.
func isFinal(status int, media string, text []byte) bool {
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return false
	}
	switch media {
	case protobuf, json:
		return true
	case "text/plain": // Prometheus answers so
		return len(text) > 0 && !bytes.Contains(text, []byte("HTTPS")) && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("<"))
	}
	return false
}

// checkSuccess returns what is wrong with an answer that has a status of success. Without a body it needs no media type: an empty
// protobuf message has no bytes.
func checkSuccess(r *http.Request, media string, text []byte) error {
	if len(text) == 0 && media == "" {
		return nil
	}
	if media != protobuf && media != json {
		return fmt.Errorf("no OTLP answer, which is %s or %s: a sign-in page or another server may stand at this address", protobuf, json)
	}
	if err := parse(r.URL.Path, media, text); err != nil {
		return fmt.Errorf("no OTLP answer: %w", err)
	}
	return nil
}

// message is the answer to a request of one signal.
type message interface {
	UnmarshalProto(data []byte) error
	UnmarshalJSON(data []byte) error
}

func parse(path, media string, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var into message
	switch {
	case strings.HasSuffix(path, "/metrics"):
		into = pmetricotlp.NewExportResponse()
	case strings.HasSuffix(path, "/logs"):
		into = plogotlp.NewExportResponse()
	default:
		into = ptraceotlp.NewExportResponse()
	}
	if media == json {
		return into.UnmarshalJSON(text)
	}
	return into.UnmarshalProto(text)
}

// describe is the error for an answer that isn't final, with its cure where that is known.
func describe(r *http.Request, answer *http.Response, media string, text []byte, reason error) error {
	said := fmt.Sprintf("answer of %s: %d %s", r.URL.Host, answer.StatusCode, http.StatusText(answer.StatusCode))
	if media != "" {
		said += " (" + media + ")"
	}
	if quoted := quote(media, text); quoted != "" {
		said += ": " + quoted
	}
	cure := outbound.Cure(string(text), r.URL)
	switch status := answer.StatusCode; {
	case cure != "":
	case status >= 300 && status < 400:
		cure = "it redirects: set the endpoint to where it leads"
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired:
		cure = "check the credentials"
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		cure = "check host, port and path: is it an OTLP/HTTP receiver?"
	case status == http.StatusRequestEntityTooLarge:
		cure = "raise the bound on a request's body there, client_max_body_size in nginx"
	}
	if reason != nil {
		said += ": " + reason.Error()
	}
	if cure != "" {
		said += ": " + cure
	}
	return errors.New(said)
}

// quote returns the beginning of an answer that is meant for people; a page is not.
func quote(media string, text []byte) string {
	if media != "text/plain" && media != json {
		return ""
	}
	return strconv.Quote(string(text[:min(len(text), maxText)]))
}

// boundedWait reads seconds or a date (RFC 9110, section 10.2.3) and returns seconds: at least one, at most maxWait.
func boundedWait(after string, now time.Time) string {
	wait := maxWait
	if seconds, err := strconv.ParseInt(strings.TrimSpace(after), 10, 64); err == nil {
		wait = time.Duration(min(seconds, int64(maxWait/time.Second))) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = at.Sub(now)
	}
	return strconv.Itoa(int(min(max(wait, time.Second), maxWait) / time.Second))
}
