#!/usr/bin/env bash
# Prints the folder of every module in this checkout other than the main one, such as the example that imports the engine.
set -euo pipefail
cd "$(dirname "$0")/.."
find . -mindepth 2 -name go.mod -not -path '*/testdata/*' -not -path './.git/*' -printf '%h\n' | sort
