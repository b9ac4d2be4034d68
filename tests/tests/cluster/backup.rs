//! Backups of a group under load, and the groups that come of them.

use crate::recovery::{Alone, gone, run, versions};
use reddwarf_tests::cluster::{Cluster, PATIENCE, eventually, free_ports};
use reddwarf_tests::writers::{PATH, Writers, check_list};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The word after `name` in what a command said.
fn word<'t>(text: &'t str, name: &str) -> &'t str {
    let rest = text.split_once(name).unwrap_or_else(|| panic!("no {name} in {text}")).1;
    rest.split([' ', ',', '\n', ';']).next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_becomes_a_new_group() {
    let cluster = Arc::new(Cluster::start(3).await);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("backup.redb");
    let file = path.to_str().expect("a plain path");
    let writers = Writers::start(&cluster, 4);
    let many = async |least: usize| {
        let items = &cluster.get(1, PATH).await["items"];
        items.as_array().is_some_and(|items| items.len() > least)
    };
    eventually("the writers get going", async || many(20).await).await;
    let said = run(&cluster, &["backup", file]).await.expect("a backup");
    let again = run(&cluster, &["backup", file]).await.expect_err("it is there");
    assert!(again.contains("is there already"), "{again}");
    let now = cluster.get(1, PATH).await["items"].as_array().map_or(0, Vec::len);
    eventually("they go on", async || many(now).await).await;
    let written = writers.finish().await;
    let newest = cluster.get(1, PATH).await;
    check_list(&written, &newest);

    let revision: u64 = word(&said, "revision ").parse().expect("a revision");
    let verified = run(&cluster, &["verify", "--data", file]).await.expect("as it was written");
    assert_eq!(word(&verified, "state root is "), word(&said, "state root "));
    let head = word(&verified, "head is ").to_owned();
    damaged_ones_are_refused(&cluster, &path).await;

    let port = free_ports(1);
    let alone = Alone::new(&cluster, &folder.path().join("data"), port);
    let said = alone.recover(&["--from-backup", file]).await.expect("a new group");
    assert!(said.contains(&format!("the state is that of revision {revision};")), "{said}");
    let refused = alone.recover(&["--from-backup", file]).await.expect_err("it holds data now");
    assert!(refused.contains("holds the data of a member"), "{refused}");
    let alone = alone.start().await;

    // Everything is as it was then, and the chain of commits goes on from the same one.
    let at = format!("/at/{revision}{PATH}");
    let then = cluster.get(2, &at).await;
    assert!(then["items"].as_array().is_some_and(|items| items.len() > 10), "those were there");
    assert_eq!(alone.get(&at).await["items"], then["items"]);
    run(&cluster, &["verify", "--against", &head]).await.expect("in the old chain");
    alone.run(&["verify", "--against", &head]).await.expect("in the new chain");

    let told = newest["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let told: u64 = told.parse().expect("a number");
    assert!(told > revision, "the old group went on");
    let made = alone.create("after-the-recovery").await;
    assert!(made > revision + 1_000_000, "{made}");
    for version in [revision, told] {
        let path = format!("{PATH}?watch=true&resourceVersion={version}&timeoutSeconds=1");
        assert!(gone(&alone.client, &path).await, "a watch from {version}");
    }
    let lost = alone.client.get_json(&format!("/at/{told}{PATH}")).await.expect_err("it was lost");
    assert!(lost.to_string().contains("was lost"), "{lost}");
    assert!(
        versions(&alone.get(PATH).await)
            .iter()
            .all(|version| { *version <= revision || *version > revision + 1_000_000 })
    );
    alone.restart_keeps(revision, told).await;
}

/// A backup that is cut or changed is refused, and says how that showed.
async fn damaged_ones_are_refused(cluster: &Cluster, path: &Path) {
    let whole = fs::read(path).expect("reads");
    let bad = path.with_extension("bad");
    let file = bad.to_str().expect("a plain path");
    let data = path.with_extension("nothing");
    let data = data.to_str().expect("a plain path");
    let recover = ["recover", "--from-backup", file, "--data-dir", data];
    fs::write(&bad, &whole[..whole.len() / 2]).expect("written");
    for command in [&["verify", "--data", file][..], &recover[..]] {
        let said = run(cluster, command).await.expect_err("it is cut");
        assert!(said.contains("damaged"), "{said}");
    }
    let mut changed = whole;
    let middle = changed.len() / 8..changed.len() * 7 / 8;
    changed[middle].iter_mut().step_by(97).for_each(|byte| *byte ^= 0x10);
    fs::write(&bad, changed).expect("written");
    for command in [&["verify", "--data", file][..], &recover[..]] {
        run(cluster, command).await.expect_err("it is changed");
    }
    assert!(!Path::new(data).join("identity").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_makes_backups_at_intervals() {
    let cluster = Cluster::prepare(1).await;
    let folder = cluster.group.folder.join("backups");
    let config = cluster.group.node_folder(1).join("config.toml");
    let text = fs::read_to_string(&config).expect("reads");
    let backup = format!("[backup]\nfolder = {:?}\nevery = \"1s\"\nkeep = 2\n", folder);
    fs::write(&config, format!("{text}\n{backup}")).expect("written");
    cluster.start_missing().await;
    let files = || {
        let listed = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> =
            listed.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.ends_with(".redb"));
        names.sort();
        names
    };
    eventually("the first backup", async || !files().is_empty()).await;
    let first = files()[0].clone();
    eventually("the first is removed", async || !files().contains(&first)).await;
    assert!(files().len() <= 3, "{:?}", files());
    let metric = async |name: &str| -> f64 {
        let answer = cluster.ask(1, http::Method::GET, "/metrics", None).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or_default()
    };
    assert!(metric("reddwarf_backups_total").await >= 3.0);
    assert!(metric("reddwarf_backup_last_timestamp_seconds").await > 1e9);
    let newest = folder.join(files().pop().expect("a backup"));
    let data = newest.to_str().expect("a plain path");
    // It may be the one that is removed next.
    let _ = run(&cluster, &["verify", "--data", data]).await;
    fs::remove_dir_all(&folder).expect("removed");
    fs::write(&folder, "in the way").expect("written");
    let failed = tokio::time::timeout(PATIENCE, async {
        while metric("reddwarf_backup_failures_total").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    failed.await.expect("a failure is counted");
    let log = fs::read_to_string(cluster.group.node_folder(1).join("log")).expect("reads");
    assert!(log.contains("the scheduled backup failed"), "{log}");
    let ready: Value = cluster.get(1, "/api/v1/namespaces/default").await;
    assert_eq!(ready["metadata"]["name"], "default");
}
