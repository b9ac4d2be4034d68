#!/usr/bin/env bash
# Upgrades a group from an older revision of this repository to the present one, one member back, and
# on again: tests/upgrade.sh [REVISION]. Without one it is the last from before there were feature levels.
#
# The older program is built in a work tree of its own below target/, which stays for the next time.
# Both are built as CARGO_PROFILE says, release unless it is set.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${CARGO_PROFILE:-release}
folder=$profile
[ "$profile" != dev ] || folder=debug

first_level() {
    local added
    added=$(git log --format=%H --diff-filter=A -1 -- crates/reddwarf-core/src/feature.rs)
    git rev-parse "$added^"
}

if [ -z "${REDDWARF_OLDER:-}" ]; then
    revision=$(git rev-parse --verify "${1:-$(first_level)}^{commit}")
    older=$PWD/target/upgrade/$revision
    if [ ! -d "$older" ]; then
        git worktree prune
        git worktree add --quiet --detach "$older" "$revision" >&2
    fi
    built=$PWD/target/upgrade/build
    CARGO_TARGET_DIR=$built cargo build --profile "$profile" --locked -p reddwarf \
        --manifest-path "$older/Cargo.toml"
    REDDWARF_OLDER=$older/reddwarf
    install -m 0755 "$built/$folder/reddwarf" "$REDDWARF_OLDER"
    export REDDWARF_OLDER
fi
cargo build --profile "$profile" --locked -p reddwarf
cargo test --profile "$profile" --locked -p reddwarf-tests --test cluster \
    a_group_of_an_older_version -- --ignored --nocapture
