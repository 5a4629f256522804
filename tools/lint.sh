#!/usr/bin/env bash
# What `make check` asks of the source text. Each tool is pinned in tools/tools.mod and built by the go command.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=tools/tools.mod "$@"; }

failed=0
# Runs one check; the others run even when it fails.
check() {
	echo "-- $1"
	"${@:2}" || failed=1
}
# Fails when a tool that exits 0 either way finds something.
silent() {
	local found
	found=$("$@") || return 1
	[[ -z "$found" ]] || { printf '%s\n' "$found"; return 1; }
}
scripts() {
	local script
	for script in tools/*.sh .ci/run .githooks/*; do bash -n "$script" || return 1; done
}

check "formatted (make fmt)" silent tool gofumpt -l .
check "go vet" go vet ./...
check "staticcheck" tool staticcheck ./...
check "no code that neither a command nor a test reaches" silent tool deadcode -test ./...
check "go.mod is tidy" go mod tidy -diff
check "packages keep to their rings" go test ./internal
check "shell scripts parse" scripts
exit "$failed"
