#!/usr/bin/env bash
# What `make check` asks of the source text. Each tool is pinned in tools/tools.mod and built by the go command.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=tools/tools.mod "$@"; }

# Prints a tool's findings and fails when there are any: these two exit 0 either way.
none() {
	local found
	found=$("${@:2}")
	if [[ -n "$found" ]]; then
		printf '%s:\n%s\n' "$1" "$found" >&2
		return 1
	fi
}

none "not formatted (make fmt)" tool gofumpt -l .
go vet ./...
tool staticcheck ./...
none "not reachable from any command or test" tool deadcode -test ./...
go mod tidy -diff
for script in tools/*.sh .ci/run .githooks/*; do bash -n "$script"; done
