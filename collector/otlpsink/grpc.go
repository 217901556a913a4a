// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package otlpsink

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/modtap/modtap/internal/outbound"
)

// intercept passes on what upstream's exporter reads rightly, and turns all else into Unavailable, which upstream tries again.
func (r *rule) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	return r.judgeGRPC(invoke(ctx, method, request, reply, conn, options...))
}

// judgeGRPC: only InvalidArgument says that this data will be refused again. Other codes are of the way there, of the backend's
// state or of its owner's making; https://opentelemetry.io/docs/specs/otlp/#failures names fewer, and a backend's storage that is
// away for a minute comes as Unknown or Internal.
func (r *rule) judgeGRPC(err error) error {
	said, ok := status.FromError(err)
	if err == nil || !ok || said.Code() == codes.InvalidArgument {
		return err
	}
	text := said.Message()
	if said.Code() != codes.Unavailable {
		text = fmt.Sprintf("answer of %s: %s: %s", r.at.Host, said.Code(), text)
	}
	if cure := outbound.Cure(text, r.at); cure != "" {
		text += ": " + cure
	} else if cure := cures[said.Code()]; cure != "" {
		text += ": " + cure
	}
	kept := status.New(codes.Unavailable, text)
	if wait := retryDelay(said); wait > 0 {
		if detailed, err := kept.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(min(wait, maxWait))}); err == nil {
			kept = detailed
		}
	}
	return kept.Err()
}

var cures = map[codes.Code]string{
	codes.Unimplemented:     "check host and port: is it an OTLP/gRPC receiver?",
	codes.Unauthenticated:   "check the credentials",
	codes.PermissionDenied:  "check the credentials",
	codes.ResourceExhausted: "the backend is overloaded, or a request is larger than it takes (max_recv_msg_size_mib of a collector)",
}

func retryDelay(said *status.Status) time.Duration {
	for _, detail := range said.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}
