#!/usr/bin/env bash
# Prints the path of a kubectl of at least 1.32: the one on PATH, or one that is built from the
# Go module k8s.io/kubectl and kept under target/tools.
set -euo pipefail
minor_min=32
here=$(cd "$(dirname "$0")" && pwd)

minor_of() {
    "$1" version --client -o json 2>/dev/null | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' | head -1
}

if found=$(command -v kubectl) && [ "$(minor_of "$found" || echo 0)" -ge "$minor_min" ] 2>/dev/null; then
    echo "$found"
    exit
fi
exec "$here/clients.sh" kubectl
