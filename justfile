# `just check` is what CI runs.

default:
    @just --list

# Everything that CI checks
check:
    ./check

# Start three members and three simulated workers
up *flags:
    cargo run --release -- up {{flags}}

# Stop them
down *flags:
    cargo run --release -- down {{flags}}

# Unit tests and tests without processes, quickly
unit:
    cargo test --workspace --lib

# One test with real processes: just cluster faults
cluster name:
    cargo build --release --workspace
    cargo test --release -p reddwarf-tests --test cluster {{name}}

# Install, upgrade and roll back a chart with Helm, which is built first
helm:
    cargo build --release --workspace
    cargo test --release -p reddwarf-tests --test cluster helm -- --ignored

# Upgrade a group from an older revision, by default the last from before there were feature levels
upgrade *revision:
    tests/upgrade.sh {{revision}}

# Replay the recorded scenarios and rewrite the list of those that do not pass
compat-update:
    cargo build --release --workspace
    REDDWARF_UPDATE=1 cargo test --release -p reddwarf-tests --test cluster compat

# Faults against a group: just jepsen --nodes 5 --workload mix --nemesis all --time 600
jepsen *flags:
    cargo run --release -p jepsen -- run {{flags}}

# What takes some minutes: clocks that jump and stand, slow disks, logs that are written for long
group:
    cargo build --release --workspace
    cargo test --release -p jepsen --test group --test members -- --ignored --nocapture

# A state of 1 GiB: a member joins, a backup is made, the leader is killed
large:
    cargo build --release --workspace
    cargo test --release -p reddwarf-tests --test cluster large_state -- --ignored --nocapture

# Measure an own group of three
bench *flags:
    cargo run --release -- bench --self {{flags}}

fmt:
    cargo fmt --all

lint:
    cargo clippy --release --workspace --all-targets -- -D warnings

# Simulate groups under faults: just sim --seeds 1000, or just sim --seed 4711 --trace
sim *flags:
    cargo build --release -p sim
    target/release/sim {{flags}}

# The same with a known mistake: just sim-planted --bug early-purge --seeds 1000
sim-planted *flags:
    cargo build --release -p sim --features planted-bugs --target-dir target/planted
    target/planted/release/sim {{flags}}

# The proof: each known mistake must be found by one of 1,000 seeds
sim-proof *flags:
    cargo build --release -p sim --features planted-bugs --target-dir target/planted
    target/planted/release/sim --proof --seeds 1000 {{flags}}
