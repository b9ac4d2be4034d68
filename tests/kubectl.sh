#!/usr/bin/env bash
# Prints the path of a kubectl of at least 1.32: the one on PATH, or one that is built from the
# Go module k8s.io/kubectl and kept under target/tools.
set -euo pipefail
minor_min=32
module_version=v0.34.1
root=$(cd "$(dirname "$0")/.." && pwd)
built=$root/target/tools/kubectl-$module_version

minor_of() {
    "$1" version --client -o json 2>/dev/null | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p' | head -1
}

if found=$(command -v kubectl) && [ "$(minor_of "$found" || echo 0)" -ge "$minor_min" ] 2>/dev/null; then
    echo "$found"
    exit
fi
if [ ! -x "$built" ]; then
    command -v go >/dev/null || {
        echo "kubectl 1.$minor_min or newer is not on PATH, and without go it cannot be built" >&2
        exit 1
    }
    source=$root/target/tools/kubectl-source
    mkdir -p "$source"
    cat >"$source/main.go" <<'GO'
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	command := cmd.NewDefaultKubectlCommand()
	if err := cli.RunNoErrOutput(command); err != nil {
		util.CheckErr(err)
		os.Exit(1)
	}
}
GO
    cat >"$source/go.mod" <<MOD
module kubectl

go 1.24.0

require (
	k8s.io/component-base $module_version
	k8s.io/kubectl $module_version
)
MOD
    (cd "$source" && timeout 300 go mod tidy && timeout 900 go build -trimpath \
        -ldflags "-s -w -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${module_version:3:2} -X k8s.io/component-base/version.gitVersion=v1.${module_version:3}" \
        -o "$built" .) >&2
fi
echo "$built"
