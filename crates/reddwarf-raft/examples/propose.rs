//! How many proposals a group of members in this one process takes: `cargo run --release -p
//! reddwarf-raft --example propose [members] [seconds]`. Clients are spread over the members,
//! each proposing one object of 1 KiB after the other; the transport is TLS on the loop-back.

#[path = "../tests/groups/group.rs"]
mod group;

use group::{Group, create};
use reddwarf_raft::Limits;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let members: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let seconds: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let group = Group::start(members, Limits::default());
    let leader = group.leader();
    println!("{members} members, {seconds} s each");
    for clients in [1, 16, 64] {
        let spread = if clients == 1 { vec![leader] } else { (0..members as usize).collect() };
        run(&group, &spread, clients, Duration::from_secs(seconds));
    }
    if members > 1 {
        let follower = (leader + 1) % members as usize;
        println!("one client on a follower:");
        run(&group, &[follower], 1, Duration::from_secs(seconds));
    }
    barriers(&group, leader, "leader");
    if members > 1 {
        barriers(&group, (leader + 1) % members as usize, "follower");
    }
}

fn run(group: &Group, spread: &[usize], clients: usize, time: Duration) {
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let running = group.member(spread[client % spread.len()]);
            let store = Arc::clone(&running.store);
            let prefix = format!("{}-{clients}-{client}", began.elapsed().as_nanos());
            running.runtime.spawn(async move {
                let mut latencies = Vec::new();
                while began.elapsed() < time {
                    let at = Instant::now();
                    let name = format!("{prefix}-{}", latencies.len());
                    store.propose(create(&name, 1_024)).await.expect("written");
                    latencies.push(at.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(group.member(0).runtime.block_on(task).expect("the client ends"));
    }
    let elapsed = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let count = latencies.len() as f64;
    println!(
        "{clients:>3} clients: {:>8.0}/s  p50 {:>9.3?}  p99 {:>9.3?}  CPU {:.0} µs a write",
        count / elapsed,
        at(0.5),
        at(0.99),
        (cpu_seconds() - cpu_before) * 1e6 / count,
    );
}

fn barriers(group: &Group, member: usize, role: &str) {
    let running = group.member(member);
    for clients in [1, 32] {
        let began = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let store = Arc::clone(&running.store);
                running.runtime.spawn(async move {
                    let mut count = 0u64;
                    while began.elapsed() < Duration::from_secs(2) {
                        store.read_barrier().await.expect("confirmed");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let done = tasks.into_iter().map(|task| running.runtime.block_on(task).expect("ends"));
        let count: u64 = done.sum();
        println!("{clients:>3} readers on the {role}: {:>8.0} barriers/s", count as f64 / 2.0);
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
