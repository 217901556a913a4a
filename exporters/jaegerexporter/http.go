// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package jaegerexporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// maxReason is how much of an answer is told in an error.
const maxReason = 256

// A target is a URL, without the credentials that it may have come with: no error
// of the client can show them.
type target struct {
	url  string
	user *url.Userinfo
}

func newTarget(u *url.URL) target {
	bare := *u
	bare.User = nil
	return target{url: bare.String(), user: u.User}
}

func (t target) newRequest(ctx context.Context, method, query string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, t.url+query, bytes.NewReader(body))
	if err == nil && t.user != nil {
		password, _ := t.user.Password()
		request.SetBasicAuth(t.user.Username(), password)
	}
	return request, err
}

// newClient makes the client for a collector or for sampling strategies.
func newClient(ctx context.Context, cfg *Config, host component.Host, set component.TelemetrySettings) (*http.Client, error) {
	client, err := cfg.ClientConfig.ToClient(ctx, host.GetExtensions(), set)
	if err != nil {
		return nil, err
	}
	// A redirected POST would become a GET, whose 200 looks like success.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// httpSender sends each batch as one request, thrift in its binary protocol.
type httpSender struct {
	target target
	client *http.Client
	giveUp giveUp
}

func (s *httpSender) close() { s.client.CloseIdleConnections() }

func (s *httpSender) send(ctx context.Context, batch *jaeger.Batch) (int, error) {
	body, err := encodeBatch(ctx, batch)
	if err != nil {
		return 0, err
	}
	status, err := s.post(ctx, body)
	switch {
	case err == nil:
		return len(batch.Spans), nil
	case status == http.StatusRequestEntityTooLarge && len(batch.Spans) > 1:
		return s.sendHalves(ctx, batch)
	case status == http.StatusRequestEntityTooLarge:
		s.giveUp(ctx, 1, reasonTooLarge, err)
		return 1, nil
	case isRefusal(status):
		s.giveUp(ctx, len(batch.Spans), reasonRefused, err)
		return len(batch.Spans), nil
	}
	return 0, err
}

// sendHalves sends a batch that is larger than a request may be.
func (s *httpSender) sendHalves(ctx context.Context, batch *jaeger.Batch) (int, error) {
	half := len(batch.Spans) / 2
	done, err := s.send(ctx, &jaeger.Batch{Process: batch.Process, Spans: batch.Spans[:half]})
	if err != nil {
		return done, err
	}
	more, err := s.send(ctx, &jaeger.Batch{Process: batch.Process, Spans: batch.Spans[half:]})
	return done + more, err
}

// isRefusal tells that the same request will be refused again. Other client errors,
// such as 401 and 404, are about the way there: they pass once somebody mends it,
// and until then the spans are kept.
func isRefusal(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnsupportedMediaType || status == http.StatusUnprocessableEntity
}

func encodeBatch(ctx context.Context, batch *jaeger.Batch) ([]byte, error) {
	buffer := thrift.NewTMemoryBuffer()
	if err := batch.Write(ctx, thrift.NewTBinaryProtocolConf(buffer, nil)); err != nil {
		return nil, fmt.Errorf("batch as thrift: %w", err)
	}
	return buffer.Bytes(), nil
}

// post returns the answer's status, or 0 if there was none.
func (s *httpSender) post(ctx context.Context, body []byte) (int, error) {
	request, err := s.target.newRequest(ctx, http.MethodPost, "", body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-thrift")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReason))
	if _, rest := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)); err == nil {
		err = rest
	}
	switch page := isPage(response.Header.Get("Content-Type")); {
	case page && response.StatusCode/100 == 2:
		return 0, fmt.Errorf("answer of Jaeger: %s with a page: a sign-in page or another server may stand at this address", response.Status)
	case page && isRefusal(response.StatusCode): // Something in between knows nothing of the spans.
		return 0, describeAnswer(response, text, err)
	case response.StatusCode/100 == 2:
		return response.StatusCode, nil // It is taken, whatever became of the answer's body.
	}
	return response.StatusCode, describeAnswer(response, text, err)
}

// isPage tells that an answer is for people's eyes. Jaeger answers without a body, or in plain text.
func isPage(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "text/html" || media == "application/xhtml+xml")
}

// maxWait bounds the wait that a backend may ask for.
const maxWait = 5 * time.Minute

func describeAnswer(response *http.Response, text []byte, reading error) error {
	err := fmt.Errorf("answer of Jaeger: %s: %s", response.Status, strings.TrimSpace(string(text)))
	if to := response.Header.Get("Location"); to != "" {
		err = fmt.Errorf("%w: it redirects, set the endpoint to where it leads", err)
	}
	err = errors.Join(err, reading)
	if after := retryAfter(response.Header.Get("Retry-After"), time.Now()); after > 0 {
		return exporterhelper.NewThrottleRetry(err, after)
	}
	return err
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 means nothing usable.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 16); err == nil {
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(0, at.Sub(now)), maxWait)
	}
	return 0
}
