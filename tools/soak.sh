#!/usr/bin/env bash
# Searches for failures for as long as it is given: every fuzz target for $FUZZTIME, every law with $CHECKS examples,
# every crash test again and again.
#
#   FUZZTIME=1m CHECKS=2000 tools/soak.sh [PACKAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-1m}
checks=${CHECKS:-2000}
export HOLDFAST_SOAK=1
packages=("${@:-./...}")

# -rapid.checks is known only to test binaries that import rapid.
imports='{{range .TestImports}}{{if eq . "pgregory.net/rapid"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}{{range .XTestImports}}{{if eq . "pgregory.net/rapid"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}'
mapfile -t laws < <(go list -f "$imports" "${packages[@]}" | sed '/^$/d' | sort -u)
if [[ ${#laws[@]} -gt 0 ]]; then
	go test -timeout 0 -count=1 "${laws[@]}" -rapid.checks="$checks"
fi

# `go test -fuzz` takes one target of one package at a time.
for package in $(go list "${packages[@]}"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do
		echo "== $package $target"
		go test -timeout 0 -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package"
	done
done
