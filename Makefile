# Everything that is needed beyond Go is installed or built on first use.
GO    ?= go
TOOLS  = $(GO) tool -modfile=tools.mod
# The renderer of pictures has one goroutine, and would draw for minutes under the race detector.
UNIT   = $$($(GO) list ./... | grep -v -e /test/ -e /dashboards/picture)

.PHONY: test quick run check generate backends bench binary

# All checks and tests. The last lines are the test runner's own.
test: check unit e2e

# What needs neither a server nor a C compiler, in a minute or two: while working on the code.
quick:
	$(GO) vet ./...
	$(GO) test -short $(UNIT)

# The main job: a caching Go module proxy with telemetry.
run:
	$(GO) run .

check:
	@before=$$(git diff | cksum); $(MAKE) -s generate; \
	test "$$before" = "$$(git diff | cksum)" || { echo "make generate changed files: commit them"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(TOOLS) golangci-lint run

generate:
	$(GO) generate ./...

# The race detector needs a C compiler, and fetching from version control each system of it.
.PHONY: unit e2e
unit:
	@command -v $${CC:-cc} >/dev/null || { echo "installing gcc for the race detector"; apt-get update -q && apt-get install -qy --no-install-recommends gcc libc6-dev; }
	@(for vcs in svn svnserve hg bzr fossil; do command -v $$vcs >/dev/null || exit 1; done) || \
	{ echo "installing version control systems"; apt-get update -q && apt-get install -qy --no-install-recommends subversion mercurial bzr fossil || test -z "$$CI"; }
	$(GO) test ./dashboards/picture
	CGO_ENABLED=1 $(GO) test -race -timeout 15m $(UNIT)

# Real servers are built into the user's cache directory, once.
backends:
	$(GO) run ./test/backends/prepare

e2e: backends
	$(GO) test -v -count=1 -p 1 -timeout 35m ./test/...

# Each fault at full length; test has the short form. About three quarters of an hour.
.PHONY: faults
faults: backends
	MODTAP_FAULTS=full $(GO) test -v -count=1 -timeout 120m ./test/faults

# The judge of the cache verdicts at full length: five seeds, more than 50,000 verdicts; test has one small seed.
# And a log of 200,000 lines whose reader is killed 20 times; test has a tenth of it.
.PHONY: rehearse
rehearse: backends
	MODTAP_TRUTH=5 $(GO) test -v -count=1 -timeout 120m -run TestTruth ./test/truth
	MODTAP_KILLS=full $(GO) test -v -count=1 -timeout 30m -run TestKilledWhileItReads ./internal/tap/instance

# deploy/compose without a container daemon: its services as processes, until Ctrl-C.
.PHONY: stack
stack:
	$(GO) run ./test/stack/run

bench: backends
	$(GO) test -run '^$$' -bench Proxies -benchtime 1x -timeout 60m ./test/bench

# Stripped binaries in bin/.
binary:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/ . ./cmd/modtap-goauth
