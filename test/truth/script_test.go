// Copyright The Modtap Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package truth

import (
	"net/http"
	"time"

	"golang.org/x/mod/module"
)

// size is how much a script asks for.
type size struct {
	modules int // of a set
	clients int // at once
	rounds  int // of what is repeated
}

// everything is the script for a proxy whose storage keeps what it has.
func everything(w *world) {
	steps := []struct {
		name string
		play func(*world)
	}{
		{"cold and warm", coldAndWarm},
		{"crowd", crowd},
		{"files apart", filesApart},
		{"slow", slowUpstream},
		{"leaving", leaving},
		{"questions", questions},
		{"nothing there", nothingThere},
		{"failures", failures},
		{"hang", hanging},
		{"restart", restarting},
		{"stress", stress},
		{"parts", parts},
		{"modtap restarts", modtapRestarting},
	}
	for _, step := range steps {
		w.seen.enter(step.name)
		step.play(w)
		w.origin.mend()
		w.idle()
	}
}

func coldAndWarm(w *world) {
	set := w.fresh(w.size.modules, "cold")
	w.download(set)
	w.download(set)
	w.removeSome(set, 3)
	w.download(set)
}

// crowd lets many go commands at once ask for overlapping sets, cold and then with holes in the storage.
func crowd(w *world) {
	for range w.size.rounds {
		set := w.fresh(w.size.modules, "crowd")
		for range 3 {
			lists := make([][]module.Version, w.size.clients)
			for i := range lists {
				lists[i] = w.some(set)
			}
			w.download(lists...)
			w.removeSome(set, 4)
		}
		same := make([][]module.Version, w.size.clients)
		for i := range same {
			same[i] = set
		}
		w.download(same...)
	}
}

// stress lets many go commands at once ask for random sets of modules whose upstreams are near and far, with holes in the storage.
func stress(w *world) {
	set := w.fresh(w.size.modules, "stress")
	for _, m := range set {
		latency := []time.Duration{5, 60, 250}[w.random.IntN(3)] * time.Millisecond
		w.origin.fail(m.Path, fault{failure: slow, delay: latency})
	}
	for range w.size.rounds + 1 {
		lists := make([][]module.Version, w.size.clients)
		for i := range lists {
			lists[i] = w.some(set)
		}
		w.download(lists...)
		w.removeSome(set, 5)
	}
}

// parts asks for headers and parts of files that are stored, that are asked for meanwhile, and that aren't.
func parts(w *world) {
	for _, m := range w.fresh(2, "parts") {
		paths := files([]module.Version{m})
		w.send(http.MethodHead, patience, paths[2:])
		w.ask(patience, paths, "Range: bytes=0-9")
		w.removeSome([]module.Version{m}, 2)
		w.send(http.MethodHead, patience, w.shuffled(paths, 2))
		w.ask(patience, w.shuffled(paths, 2), "Range: bytes=5-")
	}
}

// modtapRestarting stops and kills Modtap between requests; the proxy goes on.
func modtapRestarting(w *world) {
	set := w.fresh(2, "again")
	w.download(set)
	for _, end := range []func(){w.modtap.Stop, w.modtap.Kill} {
		w.idle()
		end()
		w.modtap.Restart()
		w.removeSome(set, 3)
		w.download(set, set)
		w.askEach(files(set))
	}
}

// filesApart asks for the files of one version in any order, and for each by itself first.
func filesApart(w *world) {
	for _, m := range w.fresh(w.size.modules/2, "Apart") { // with a capital letter
		w.ask(patience, w.shuffled(files([]module.Version{m}), 3))
	}
	set := w.fresh(w.size.modules/2, "apart")
	w.askEach(w.shuffled(files(set), 2))
	w.removeSome(set, 2)
	w.ask(patience, w.shuffled(files(set), 2))
}

func slowUpstream(w *world) {
	set := w.fresh(w.size.modules, "slow")
	for _, m := range set {
		w.origin.fail(m.Path, fault{failure: slow, delay: time.Duration(20+w.random.IntN(300)) * time.Millisecond})
	}
	lists := make([][]module.Version, w.size.clients)
	for i := range lists {
		lists[i] = w.some(set)
	}
	w.download(lists...)
	w.removeSome(set, 2)
	w.ask(patience, w.shuffled(files(w.some(set)), 2))
}

// leaving are clients that give up while the proxy fetches.
func leaving(w *world) {
	for _, m := range w.fresh(2, "left") {
		w.origin.fail(m.Path, fault{failure: slow, delay: 500 * time.Millisecond})
		w.ask(200*time.Millisecond, []string{file(m, ".mod")})
		w.idle()
		w.ask(patience, files([]module.Version{m}))
	}
}

// questions are lists, queries and what is latest, with the files of the same versions beside them, and with an upstream that fails.
func questions(w *world) {
	for _, m := range w.fresh(2, "asked") {
		base := file(module.Version{Path: m.Path}, "")
		ask := []string{base + "list", base + "main.info", base[:len(base)-len("@v/")] + "@latest", base + "v1.info"}
		w.askEach(ask)
		w.askEach(ask)
		w.ask(patience, append(ask[:2:2], base+newest+".info", base+newest+".mod", base+newest+".zip"))
		w.origin.fail("list of "+m.Path, fault{failure: broken})
		w.askEach([]string{ask[0]})
		w.origin.mend()
	}
}

// nothingThere are versions and modules that don't exist or can't be fetched.
func nothingThere(w *world) {
	set := w.fresh(2, "there")
	w.download(set)
	base := file(module.Version{Path: set[0].Path}, "")
	none := []string{base + "v99.0.0.info", base + "v99.0.0.mod", base + "v99.0.0.zip", base + "v1.9.9.info", base + "v1.9.9.zip", base + "v1.9.9.mod", base + "nobranch.info"}
	w.askEach(none)
	w.askEach(none)
	w.askEach(files(w.fresh(1, "missing")))
	w.askEach(append(files(set), files(w.fresh(1, "there"))...), "Disable-Module-Fetch: true")
	other := base + versions[0] + ".zip"
	w.askEach([]string{other}, "Disable-Module-Fetch: true")
}

func failures(w *world) {
	for _, f := range []failure{broken, reset, half} {
		for _, m := range w.fresh(w.size.rounds, "fail"+string(f)) {
			w.origin.fail(m.Path, fault{failure: f})
			w.ask(4*time.Second, []string{file(m, ".info")}) // goproxy tries for 3 s
			w.ask(time.Second, w.shuffled(files([]module.Version{m}), 2))
			w.origin.mend()
			w.idle()
			w.ask(patience, w.shuffled(files([]module.Version{m}), 2))
		}
	}
}

func hanging(w *world) {
	m := w.fresh(1, "hang")
	w.origin.fail(m[0].Path, fault{failure: hang})
	w.ask(time.Second, w.shuffled(files(m), 2))
	w.origin.mend()
	w.ask(patience, files(m))
}

// restarting stops and kills the proxy while it works; Modtap goes on.
func restarting(w *world) {
	if w.proxy == nil {
		return
	}
	for _, end := range []func(){w.proxy.Stop, w.proxy.Kill} {
		set := w.fresh(w.size.modules, "restart")
		for _, m := range set {
			w.origin.fail(m.Path, fault{failure: slow, delay: 50 * time.Millisecond})
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.try(set, set, set)
		}()
		time.Sleep(time.Duration(200+w.random.IntN(500)) * time.Millisecond)
		end()
		<-done
		w.proxy.Restart()
		w.download(set, set)
	}
}

// besideMirror is for a proxy that asks a mirror first, past us, which has one version of some modules.
func besideMirror(w *world) {
	w.seen.enter("mirror")
	plain, split := w.fresh(2, "plain"), w.fresh(2, "split")
	w.download(plain)
	for _, m := range split {
		for _, version := range versions {
			m.Version = version
			w.askEach(files([]module.Version{m}))
			w.askEach(files([]module.Version{m}))
			w.removeSome([]module.Version{m}, 2)
			w.askEach(files([]module.Version{m}))
		}
	}
	besideGit(w)
}

// besideGit asks for a module that the proxy fetches from version control, past us.
func besideGit(w *world) {
	w.seen.enter("version control")
	for _, version := range versions[:2] {
		m := []module.Version{{Path: pastModule, Version: version}}
		w.askEach(files(m))
		w.askEach(files(m))
		w.removeSome(m, 2)
		w.askEach(files(m))
	}
}

// asynchronous is for Athens where it answers 404 at once and fetches then.
func asynchronous(w *world) {
	w.seen.enter("async")
	set := w.fresh(3, "async")
	w.askEach(files(set[:1]))
	w.ask(patience, w.shuffled(files(set[1:]), 2))
	time.Sleep(2 * time.Second)
	w.idle()
	w.download(set)
}

// expiring is for a cache whose files expire after a second, and are served while they are asked for again.
func expiring(w *world) {
	w.seen.enter("expiring")
	set := w.fresh(w.size.modules/2, "expire")
	w.download(set)
	for range w.size.rounds + 1 {
		time.Sleep(1500 * time.Millisecond)
		w.askEach(w.shuffled(files(set), 1))
		time.Sleep(1500 * time.Millisecond)
		w.ask(patience, w.shuffled(files(set), 2))
	}
	w.seen.enter("expired, upstream fails")
	for _, m := range set {
		w.origin.fail(m.Path, fault{failure: broken})
	}
	time.Sleep(1500 * time.Millisecond)
	w.askEach(files(set))
	w.origin.mend()
}
