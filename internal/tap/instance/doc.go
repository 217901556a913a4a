// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

// Package instance is what every receiver needs beside its capturing: the settings
// that all have, one instance for the three signals of a component, its folder and
// identity, the build sessions, and the engine that takes what is captured to the
// pipeline.
//
// A receiver brings three things:
//
//   - a configuration that embeds [Config] with `mapstructure:",squash"`;
//   - a factory, by [NewFactory];
//   - what captures: its Start calls [Open] and, when nothing can fail any more, Start of
//     the [Instance]; from then on it hands over facts. Live traffic does so by
//     [tap.Engine.Begin] and [tap.Engine.End], with the session that [Instance.Sessions]
//     chose; what reads a log, by [tap.Source.Exchange], which chooses it. Its Shutdown
//     returns when nothing is captured any more.
//
// All else is the instance's: ids, the journal, verdicts, the three signals, what a crash
// left, and the end. The example is such a receiver, as a whole.
package instance
