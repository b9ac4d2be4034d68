//! Members come and go by the faults' hands, on a group that nobody else disturbs.

use crate::run::program;
use jepsen::history::value::field;
use jepsen::host::{Group, Loopback};
use jepsen::nemesis::{self, Nemesis, Rng};
use rand::SeedableRng;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Three members, and places for two more.
async fn group(folder: &Path) -> Option<Group> {
    let program = program()?;
    let hosts = Arc::new(Loopback::find(5).expect("free ports"));
    let group = Group::lay_out(hosts, 3, folder, &[program]).expect("laid out");
    group.shorten_logs().expect("written");
    group.found().await.expect("founded");
    Some(group)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn make(name: &str) -> Box<dyn Nemesis> {
    let entry = nemesis::CATALOGUE.iter().find(|entry| entry.name == name);
    (entry.expect("in the catalogue").make)()
}

/// Members of now and their ids, all of which vote.
async fn voters(group: &Group) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for member in group.members() {
        let id = group.voter(&member.name).await;
        found.insert(member.name.clone(), id.expect("it votes"));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_the_members_shows_and_leaves_as_many() {
    let folder = folder();
    let Some(group) = group(folder.path()).await else { return };
    let mut rng = Rng::seed_from_u64(5);
    let mut before = voters(&group).await;
    for name in ["grow", "shrink", "replace", "wipe"] {
        let mut nemesis = make(name);
        let fault = nemesis.begin(&group, &mut rng).await;
        let fault = fault.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(fault.evidence.to_string().contains(":node"), "{name}: {}", fault.evidence);
        let expected = match name {
            "grow" => 3 + fault.targets.len(),
            "shrink" => 2,
            _ => 3,
        };
        assert_eq!(voters(&group).await.len(), expected, "{name}");
        nemesis.end(&group).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let after = voters(&group).await;
        assert_eq!(after.len(), 3, "{name}: {after:?}");
        // Who came may have been let go again.
        assert!(name == "grow" || after != before, "{name} changes who the members are");
        let clients: Vec<String> = group.servers.all().into_iter().map(|s| s.name).collect();
        assert!(clients.iter().eq(after.keys()), "{name}: {clients:?} and {after:?}");
        before = after;
    }
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_members_as_they_are_shows_too() {
    begin_and_end(&["transfer", "rotate", "rolling"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it fills the logs; see the justfile"]
async fn members_that_are_left_behind_the_log_show_too() {
    begin_and_end(&["purge"]).await;
}

async fn begin_and_end(names: &[&str]) {
    let folder = folder();
    let Some(group) = group(folder.path()).await else { return };
    let mut rng = Rng::seed_from_u64(6);
    let before = voters(&group).await;
    for name in names.iter().copied() {
        let mut nemesis = make(name);
        let fault = nemesis.begin(&group, &mut rng).await;
        let fault = fault.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(!fault.targets.is_empty(), "{name}");
        let ended = nemesis.end(&group).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        if name == "purge" {
            assert!(field(&ended, "snapshots").is_some(), "{ended}");
        }
        group.all_ready(jepsen::host::READY_TIMEOUT).await.expect("all serve");
        assert_eq!(voters(&group).await, before, "{name}");
    }
    group.end().await;
}
