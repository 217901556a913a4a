// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zapgrpc"
	"google.golang.org/grpc/grpclog"
)

// quietGRPC keeps grpc's verbosity (GRPC_GO_LOG_VERBOSITY_LEVEL) apart from zap's
// levels, which zapgrpc takes for the same (https://github.com/uber-go/zap/issues/1544).
type quietGRPC struct{ grpclog.LoggerV2 }

// V reports whether messages of a verbosity are logged: only those without any.
func (quietGRPC) V(level int) bool { return level <= 0 }

// logGRPC has the grpc library write its warnings into our log, as otelcol does.
func logGRPC(logger *zap.Logger) {
	warnings := logger.WithOptions(zap.AddCallerSkip(5), zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		if raised, err := zapcore.NewIncreaseLevelCore(core, zapcore.WarnLevel); err == nil {
			core = raised
		}
		return core.With([]zapcore.Field{zap.Bool("grpc_log", true)})
	}))
	grpclog.SetLoggerV2(quietGRPC{zapgrpc.NewLogger(warnings)})
}
