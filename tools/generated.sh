#!/usr/bin/env bash
# Fails when `go generate` changes a file: what is generated must be committed as its generator writes it.
# Compares before with after, so it can also run in a checkout with changes of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
state() { git status --porcelain=v1 --untracked-files=all; git diff; }
before=$(state)
go generate ./...
if [[ "$before" != "$(state)" ]]; then
	echo "go generate changed these files; run it and commit them:" >&2
	git status --short >&2
	exit 1
fi
