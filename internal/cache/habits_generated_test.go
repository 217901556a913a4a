// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/modtap/modtap/internal/exchange"
)

// crowd is go commands behind one address, and what each of their requests truly is.
type crowd struct {
	*rand.Rand
	there  map[string]bool // the modules that there are
	visits []visit
	truth  []Outcome
	alone  []bool // what nothing else is mixed with: it must be told exactly
}

const either = "either"

// goCommand is one process; it asks nothing twice.
type goCommand struct {
	crowd  *crowd
	client string
	scheme string
	alone  bool
	asked  map[string]int // the visit
}

func (g *goCommand) ask(at exchange.Time, module, file string, truth Outcome) {
	url := "/" + module + "/@v/" + file
	c := g.crowd
	if i, done := g.asked[url]; done {
		if truth != c.truth[i] && c.truth[i] != OK {
			c.truth[i] = either // for one import it is a probe, for the other it isn't there
		}
		return
	}
	v := visit{at: at + exchange.Time(c.IntN(4)), client: g.client, scheme: g.scheme, path: url, status: 404}
	if c.there[module] {
		v.status, truth = 200, OK
	}
	v.until = v.at + 1 + exchange.Time(c.IntN(5))
	g.asked[url] = len(c.visits)
	c.visits, c.truth, c.alone = append(c.visits, v), append(c.truth, truth), append(c.alone, g.alone)
	if v.scheme != "http" && v.status == 404 {
		v.at, v.until = v.until+1, v.until+3
		c.visits, c.truth, c.alone = append(c.visits, v), append(c.truth, RetryTwin), append(c.alone, g.alone)
	}
}

// get looks for the module of a package, as go get and go mod tidy do.
func (g *goCommand) get(at exchange.Time, pkg, file string) {
	provided := false
	for p := pkg; p != "."; p = path.Dir(p) {
		provided = provided || g.crowd.there[p]
	}
	for p := pkg; p != "."; p = path.Dir(p) {
		truth := Probe
		if p == pkg && !provided {
			truth = NotFound
		}
		g.ask(at, p, file, truth)
	}
}

// TestHabitsInACrowd: however many go commands with related paths are behind one
// address, no "not found" of theirs is hidden; and nearly none of the others is taken
// for one. Where all of them are taken for one session, only the pattern tells.
func TestHabitsInACrowd(t *testing.T) {
	paths := []string{"a.example", "a.example/m", "a.example/m/sub", "a.example/m/sub/pkg", "a.example/m/v2", "a.example/m/v2/pkg", "a.example/n", "a.example/n/x/y", "b.example/m", "b.example/m/sub"}
	for _, how := range []string{"h2", "h2, one session", "told", "http", "http, one session"} {
		hidden, noise, exact := 0, 0, 0
		for seed := range uint64(400) {
			c := &crowd{Rand: rand.New(rand.NewPCG(seed, 1)), there: map[string]bool{}}
			for _, p := range paths {
				c.there[p] = c.IntN(2) == 0
			}
			for i := range 1 + c.IntN(6) {
				g := &goCommand{crowd: c, client: fmt.Sprint("s", i), scheme: "h2", alone: true, asked: map[string]int{}}
				switch how {
				case "h2, one session":
					g.client = fmt.Sprint("s/", i)
				case "told":
					g.client, g.scheme = fmt.Sprint("told", i), "https"
				case "http":
					g.scheme = "http"
				case "http, one session":
					g.client, g.scheme = fmt.Sprint("s/", i), "http"
				}
				at := exchange.Time(c.IntN(2000))
				version := oneOf(c, "v1.0.0.info", "v2.0.0.info", "list")
				switch c.IntN(4) {
				case 0: // go get pkg
					g.get(at, oneOf(c, paths...), version)
				case 1: // go mod download
					for range 1 + c.IntN(4) {
						m := oneOf(c, paths[1:]...)
						g.ask(at, m, "v1.0.0.info", NotFound)
					}
				case 2: // go list -m -u
					for range 1 + c.IntN(4) {
						g.ask(at, oneOf(c, paths[1:]...), "list", NotFound)
					}
				case 3: // go mod tidy
					g.alone = false
					for range 1 + c.IntN(4) {
						g.get(at, oneOf(c, paths...), "list")
					}
				}
			}
			for i, got := range outcomes(c.visits...) {
				switch want := c.truth[i]; {
				case got == want, want == either && (got == Probe || got == NotFound):
					exact++
				case got == NotFound:
					noise++
					if c.alone[i] && want == RetryTwin {
						t.Errorf("%s, seed %d: %+v is a twin", how, seed, c.visits[i])
					}
				default:
					hidden++
					if how != "http, one session" {
						t.Errorf("%s, seed %d: %+v is %s, told as %s", how, seed, c.visits[i], want, got)
					}
				}
			}
		}
		t.Logf("%s: %d right, %d told as not_found for want of evidence, %d hidden", how, exact, noise, hidden)
		assert.Less(t, noise*15, exact)
		assert.Less(t, hidden*200, exact, "the sessions are wrong: up to six commands in two seconds, of ten related paths")
	}
}

func oneOf(r *crowd, from ...string) string { return from[r.IntN(len(from))] }
