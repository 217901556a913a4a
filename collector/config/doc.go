// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package config holds the embedded collector configurations and the confmap
// provider that serves them under the scheme "modtap".
//
// "modtap:base" is the whole of a working proxy; every other fragment adds one
// backend or feature with its own exporter and its own pipeline, so that any
// number of them merge. Inside a configuration, ${modtap:jaeger-endpoint} and
// its like stand for what a MODTAP_ variable means after it was checked.
package config
