//! Three real members in three namespaces.

use crate::ends::is_root;
use jepsen::host::{Group, HostError, Namespaces};
use jepsen::nemesis::{CATALOGUE, Cut, Need, Nemesis, Partition, Rng};
use rand::SeedableRng;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a new leader may take to show; the product promises a tenth of it.
const PATIENCE: Duration = Duration::from_secs(10);
const MEMBERS: usize = 3;

/// The member's program, or none where there is none.
fn program() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release/reddwarf");
    let program = std::env::var_os("REDDWARF").map_or(beside, PathBuf::from);
    if !program.is_file() {
        eprintln!("SKIPPED: {} is not there; REDDWARF may name another", program.display());
        return None;
    }
    Some(program)
}

fn group(folder: &std::path::Path) -> Option<Group> {
    let program = program()?;
    match Namespaces::create(MEMBERS, 7) {
        Err(error @ HostError::Unavailable { .. }) if !is_root() => {
            eprintln!("SKIPPED: {error}");
            None
        }
        hosts => {
            let hosts = std::sync::Arc::new(hosts.expect("namespaces"));
            Some(Group::lay_out(hosts, MEMBERS, folder, &[program]).expect("folders"))
        }
    }
}

/// The leader that another than `old` becomes.
async fn other_leader(group: &Group, old: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(leader) = group.leader().await.filter(|leader| leader.name != old) {
            return leader.name.clone();
        }
        assert!(Instant::now() < deadline, "{old} is cut off, and nobody else leads");
    }
}

#[tokio::test]
async fn the_others_elect_a_leader_when_theirs_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(group) = group(folder.path()) else { return };
    group.found().await.expect("three members that are ready");
    let old = group.leader().await.expect("a leader").name.clone();

    let mut partition = Partition::new([Cut::Leader]);
    let fault = partition.begin(&group, &mut Rng::seed_from_u64(7)).await.expect("a partition");
    assert_eq!(fault.targets, [old.as_str()]);
    let new = other_leader(&group, &old).await;
    assert_ne!(new, old);

    let evidence = partition.end(&group).await.expect("healed");
    println!("{old}, then {new}: {evidence}");
    group.all_ready(PATIENCE).await.expect("all of them serve again");
    group.end().await;
}

#[tokio::test]
async fn every_fault_of_the_network_is_seen_by_its_evidence() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(group) = group(folder.path()) else { return };
    group.found().await.expect("three members that are ready");
    let mut rng = Rng::seed_from_u64(7);
    for entry in CATALOGUE.iter().filter(|entry| entry.needs == [Need::Network]) {
        let mut nemesis = (entry.make)();
        let fault = nemesis.begin(&group, &mut rng).await;
        let fault = fault.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let evidence = nemesis.end(&group).await.expect("undone");
        println!("{}: {:?} {evidence}", entry.name, fault.describe());
        assert!(!fault.targets.is_empty(), "{}", entry.name);
        group.all_ready(PATIENCE).await.expect("all of them serve again");
    }
    group.end().await;
}
