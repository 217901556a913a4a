// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package goproxyreceiver

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/modtap/modtap/internal/cache"
)

// wiringInterval is the time between two saves of the wiring.
const wiringInterval = time.Minute

// keptWiring is what was seen at the egress, kept over restarts: without it a
// warm proxy would be unknown until it goes upstream again.
type keptWiring struct {
	*cache.Wiring

	path   string
	log    *zap.Logger
	stop   chan struct{}
	saving sync.WaitGroup
}

// openWiring reads what an earlier run kept. A file that can't be read counts as
// none: verdicts are then unknown for a while, never wrong.
func openWiring(dir string, log *zap.Logger) *keptWiring {
	k := &keptWiring{Wiring: cache.NewWiring(), path: filepath.Join(dir, "wiring.json"), log: log, stop: make(chan struct{})}
	text, err := os.ReadFile(k.path)
	if err == nil {
		err = json.Unmarshal(text, k.Wiring)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what was seen at the egress before is lost; cache results are unknown until it is seen again", zap.Error(err))
	}
	k.saving.Go(k.keep)
	return k
}

func (k *keptWiring) keep() {
	ticker := time.NewTicker(wiringInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.save()
		case <-k.stop:
			k.save()
			return
		}
	}
}

func (k *keptWiring) save() {
	text, err := json.Marshal(k.Wiring)
	if err == nil {
		err = os.WriteFile(k.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(k.path+".new", k.path)
	}
	if err != nil {
		k.log.Warn("what was seen at the egress can't be kept", zap.Error(err))
	}
}

// close saves a last time.
func (k *keptWiring) close() {
	close(k.stop)
	k.saving.Wait()
}
