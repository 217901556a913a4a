// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/service"
	"go.opentelemetry.io/collector/service/pipelines"
)

func receives(types ...string) *otelcol.Config {
	p := &pipelines.PipelineConfig{}
	for _, name := range types {
		p.Receivers = append(p.Receivers, component.NewIDWithName(component.MustNewType(name), "x"))
	}
	return &otelcol.Config{Service: service.Config{Pipelines: pipelines.Config{pipeline.NewID(pipeline.SignalTraces): p}}}
}

// TestDescriptors is case 55 for listeners that upstream makes.
func TestDescriptors(t *testing.T) {
	for errno, isFault := range map[error]bool{syscall.EMFILE: true, syscall.ENFILE: true, syscall.EACCES: false, nil: false} {
		synctest.Test(t, func(t *testing.T) {
			var fails atomic.Pointer[error]
			var said bytes.Buffer
			d := &descriptors{open: func() error {
				if errno := fails.Load(); errno != nil && *errno != nil {
					return &os.PathError{Op: "open", Path: os.DevNull, Err: *errno}
				}
				return nil
			}}
			ctx, stop := context.WithCancel(t.Context())
			go d.watch(ctx, receives("goproxy", "otlp"), &said)
			time.Sleep(time.Minute)
			_, err := d.Fault()
			require.NoError(t, err)
			fails.Store(&errno)
			began := time.Now()
			time.Sleep(59 * time.Second)
			synctest.Wait()
			since, err := d.Fault()
			if isFault {
				require.ErrorContains(t, err, errno.Error())
				assert.WithinDuration(t, began, since, descriptorsEvery)
				assert.Equal(t, 1, strings.Count(said.String(), "\n"), "once a minute")
			} else {
				require.NoError(t, err)
				assert.Empty(t, said.String())
			}
			fails.Store(nil)
			time.Sleep(descriptorsFor + time.Second)
			_, err = d.Fault()
			require.NoError(t, err, "it is over")
			stop()
			synctest.Wait()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := &descriptors{open: func() error { panic("our own listeners tell it themselves") }}
		d.watch(t.Context(), receives("goproxy"), nil)
	})
}
