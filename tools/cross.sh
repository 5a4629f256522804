#!/usr/bin/env bash
# Builds the program and vets all code, tests included, for the systems that are not this one.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
for target in linux/arm64 darwin/arm64 freebsd/amd64 windows/amd64; do
	echo "== $target"
	GOOS=${target%/*} GOARCH=${target#*/} go build ./...
	GOOS=${target%/*} GOARCH=${target#*/} go vet ./...
done
