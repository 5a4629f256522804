# holdfast: make help

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X $(shell go list -m)/internal/cli.Version=$(VERSION)
TOOL     := go tool -modfile=tools/tools.mod

# As it is shipped. Tests and lint without cgo, too, share what was compiled for the program.
export CGO_ENABLED := 0

# Arguments handed through: make test PACKAGES=./repository/... TESTFLAGS=-v
PACKAGES   ?= ./...
TESTFLAGS  ?=
BENCHFLAGS ?=

# Many tests wait, for schedules, servers and lines: one package more than there are processors runs at once, and the
# longest come first, so that none is left alone at the end.
WIDTH        ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
LONGEST      := ./test/pitr ./test/serve ./test/pgdump ./test/remote ./test/proof ./test/line
LONGEST_RACE := ./internal/source/postgres ./test/chaos ./cmd/holdfast ./internal/upkeep
# Fifty test binaries link in half the time without what only a debugger reads, and lint vets them.
LEAN := -vet=off -ldflags=-w
# Given packages are taken as they are.
longest_first = $(if $(filter ./...,$(PACKAGES)),$(1)) $(PACKAGES)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/holdfast: one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/holdfast ./cmd/holdfast

.PHONY: test
test: deps ## install what is missing, then run all tests
	go test $(LEAN) -p $(WIDTH) -timeout 20m $(TESTFLAGS) $(call longest_first,$(LONGEST))
	for m in $$(tools/modules.sh); do (cd $$m && go vet ./... && go test ./...); done

# What test/servers starts. MinIO takes five CPU minutes to build, once.
SERVERS := minio azurite fake-gcs-server rest-server

.PHONY: deps
deps: ## install what the tests call: Debian packages, pinned restics, servers
	tools/deps.sh test
	go run ./test/tools/cmd/install restic axe-core
	if [[ $$(uname) == Linux ]]; then go run ./test/tools/cmd/install $(SERVERS); fi
	if command -v apt-get >/dev/null; then go run ./test/tools/cmd/install restic-sid postgresql-17 debian-system debian-postgresql; fi

# The parts of check. CI runs and times each.
CHECKS := generated lint cross race

.PHONY: check
check: $(CHECKS) ## everything CI asks beyond the tests

.PHONY: checks
checks:
	@echo $(CHECKS)

.PHONY: lint
lint: ## format, vet, staticcheck, layers, dead code, go.mod
	tools/lint.sh

.PHONY: docs
docs: ## write docs/commands, docs/man, the reference of holdfast.yaml and the API's description
	go generate ./tools/docs ./tools/schema ./tools/openapi ./tools/reach ./test/api/client

.PHONY: generated
generated: ## generated files are as their generators write them
	tools/generated.sh

# Tests of programs and figures, which the race detector does not see into.
SERIAL := /test/(api|archive|browser|buckets|compat|copies|install|line|pgdump|pitr|proof|protect|remote|restserver|scale|serve|startup)$$|/bench$$

.PHONY: race
race: ## the tests again, under the race detector, without the longest
	tools/deps.sh test check
	CGO_ENABLED=1 go test $(LEAN) -race -short -p $(WIDTH) -timeout 30m $(TESTFLAGS) $$(go list $(call longest_first,$(LONGEST_RACE)) | grep -vE "$(SERIAL)")

.PHONY: cross
cross: ## build and vet for the other systems
	tools/cross.sh

.PHONY: fmt
fmt: ## format all Go files
	$(TOOL) gofumpt -w .

.PHONY: bench
bench: ## compare with the peers on this machine (BENCHFLAGS='-quick -runs 1')
	go run ./bench $(BENCHFLAGS)

.PHONY: bench-postgres
bench-postgres: ## compare base backups and the archiving of WAL with pgbackrest
	go run ./bench base
	go run ./bench wal
	go run ./bench replay

.PHONY: screenshots
screenshots: ## take the pictures of docs/images anew
	go run ./tools/dashboard -pictures docs/images

.PHONY: soak
soak: ## fuzz every parser and stretch every law (FUZZTIME=1m CHECKS=2000)
	tools/deps.sh test
	tools/soak.sh $(PACKAGES)

.PHONY: release
release: ## cross-build every system into dist/, with checksums; signed with SIGN_KEY=FILE
	go run ./tools/release -version $(VERSION) $(if $(SIGN_KEY),-sign-key $(SIGN_KEY)) $(if $(MAINTAINER),-maintainer "$(MAINTAINER)")

.PHONY: hooks
hooks: ## let git run .githooks/pre-commit
	git config core.hooksPath .githooks
