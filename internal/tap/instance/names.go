// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
)

// Names are the service.names of components, each of which has one of its own: what is
// told of two proxies under one name couldn't be told apart. The zero value has none.
// It is safe for concurrent use.
type Names struct {
	mu    sync.Mutex
	taken map[string]component.ID
}

// running are the names of what runs in this process, whichever receivers it is.
var running Names

// Claim takes the name of a component. It returns an error that names the component
// which has it already.
func (n *Names) Claim(name string, id component.ID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if by, taken := n.taken[name]; taken {
		return fmt.Errorf("service_name: %q is %s's too: their telemetry couldn't be told apart; give each proxy a name of its own", name, by)
	}
	if n.taken == nil {
		n.taken = make(map[string]component.ID)
	}
	n.taken[name] = id
	return nil
}

// free gives back a name that was claimed.
func (n *Names) free(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.taken, name)
}

// Claim claims the name of a component of this configuration.
func (c *Config) Claim(in *Names, id component.ID) error { return in.Claim(c.ServiceName, id) }
