// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/modtap/modtap/collector/config"
	"github.com/modtap/modtap/internal/outbound"
	"github.com/modtap/modtap/internal/redact"
)

const (
	healthVariable = "MODTAP_HEALTH_LISTEN"
	healthDefault  = "127.0.0.1:13133" // as modtap:base has it
	healthWithin   = 3 * time.Second
)

// newHealthCommand returns the command that asks a running Modtap how it is: the health check of an image that has
// no shell and no HTTP client.
func newHealthCommand() *cobra.Command {
	path, backends := "/ready", false
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running Modtap whether it serves",
		Long: "Asks the health listener of the Modtap that runs beside it, at " + healthVariable + " (default " + healthDefault + "),\n" +
			"prints the answer, and ends with 0 if requests are served, else with 1. An address without a host, or\n" +
			"0.0.0.0, is asked on loopback. It is made for health checks of containers: it takes some milliseconds,\n" +
			"and 3 s if there is no answer.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if backends {
				path = "/healthy"
			}
			return askHealth(cmd.Context(), cmd.OutOrStdout(), cmp.Or(os.Getenv(healthVariable), healthDefault), path)
		},
	}
	cmd.Flags().BoolVar(&backends, "backends", false,
		"end with 1 also if a backend or a disk is at fault (/healthy instead of /ready): a reason to look, none to restart")
	return cmd
}

// askHealth writes what the Modtap that listens on an address answers to a path, and returns an error unless all is well.
func askHealth(ctx context.Context, out io.Writer, listen, path string) error {
	if _, port, err := net.SplitHostPort(listen); err != nil || port == "" || port == "0" {
		return &config.Error{
			Key: healthVariable, Reason: fmt.Sprintf("%q isn't an address that can be asked", redact.Address(listen)),
			Cure: "set it to HOST:PORT, for the running Modtap too",
		}
	}
	where := reachable("http://"+listen) + path
	status, body, err := getHealth(ctx, where)
	if err != nil {
		return &config.Error{
			Key: healthVariable, Reason: "no Modtap answers at " + where + ": " + err.Error(),
			Cure: "start Modtap, or set the variable to what it has there",
		}
	}
	var answer struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Status == "" || status != http.StatusOK && status != http.StatusServiceUnavailable {
		return &config.Error{
			Key: healthVariable, Reason: fmt.Sprintf("what answers at %s isn't Modtap's health (status %d)", where, status),
			Cure: "set it to what the running Modtap has there",
		}
	}
	if _, err := out.Write(body); err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("health: %s: %d, %s", where, status, answer.Status)
	}
	return nil
}

// getHealth asks directly, past any HTTP proxy that the environment names. Its error is the cause alone.
func getHealth(ctx context.Context, where string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, http.NoBody)
	if err == nil {
		status, body, err = roundTrip(request)
	}
	switch {
	case err == nil:
		return status, body, nil
	case errors.Is(err, context.DeadlineExceeded):
		return 0, nil, fmt.Errorf("no answer within %v", healthWithin)
	default:
		return 0, nil, errors.New(cause(err))
	}
}

func roundTrip(request *http.Request) (status int, body []byte, err error) {
	transport := outbound.New(outbound.Settings{})
	transport.Proxy, transport.DisableKeepAlives = nil, true // it is this machine that is asked
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, body, err
}
