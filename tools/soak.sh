#!/usr/bin/env bash
# Searches for failures for as long as it is given: the tests that CI runs a sample of run whole (they ask for
# HOLDFAST_SOAK), then every law with $CHECKS examples, then every fuzz target for $FUZZTIME.
#
#   FUZZTIME=1m CHECKS=2000 tools/soak.sh [PACKAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-1m}
checks=${CHECKS:-2000}
export HOLDFAST_SOAK=1
packages=("${@:-./...}")

# phase NAME COMMAND...: a failure does not keep the others from being looked for.
failed=0
phase() {
	local start=$SECONDS
	echo "=== $1"
	"${@:2}" || { failed=1; echo "=== FAILED: $1"; }
	echo "=== $((SECONDS - start)) s: $1"
}

whole=()
for package in $(go list "${packages[@]}"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	if grep -qs HOLDFAST_SOAK "$dir"/*_test.go; then whole+=("$package"); fi
done
if [[ ${#whole[@]} -gt 0 ]]; then
	phase "whole: ${whole[*]}" go test -p 1 -timeout 0 -count=1 "${whole[@]}"
fi

# -rapid.checks is known only to test binaries that import rapid.
imports='{{range .TestImports}}{{if eq . "pgregory.net/rapid"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}{{range .XTestImports}}{{if eq . "pgregory.net/rapid"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}'
mapfile -t laws < <(go list -f "$imports" "${packages[@]}" | sed '/^$/d' | sort -u)
if [[ ${#laws[@]} -gt 0 ]]; then
	phase "laws, $checks examples: ${laws[*]}" go test -timeout 0 -count=1 "${laws[@]}" -rapid.checks="$checks"
fi

# `go test -fuzz` takes one target of one package at a time.
for package in $(go list "${packages[@]}"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do
		phase "$package $target" go test -timeout 0 -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
	done
done
exit "$failed"
