//! Members on full disks: nothing acknowledged is lost, and they recover by themselves.
//!
//! Each member's data lies on a small file system of its own, which only root can mount.

use http::Method;
use reddwarf_tests::cluster::{Cluster, PATIENCE, eventually};
use reddwarf_tests::writers::PATH;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Room for the log's segment in use and its reserve, and for the state, into which all goes in the
/// end that the log took while the disk was full.
const SIZE: &str = "size=96m";

/// A small file system.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at `path`, unless this process may not.
    fn mount(path: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(path).expect("creates");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "reddwarf-test"])
            .arg(path)
            .output();
        mount.is_ok_and(|output| output.status.success()).then(|| SmallDisk(path.to_owned()))
    }

    /// Takes all room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut ballast = std::fs::File::create(self.0.join("ballast")).expect("creates");
        let block = [1; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("removes");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the member may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Creates an object of 100 kB; gives the status and what was said.
async fn create(cluster: &Cluster, i: u16, name: &str) -> (u16, String) {
    let body = json!({"metadata": {"name": name}, "data": {"a": "b".repeat(100_000)}});
    match cluster.ask(i, Method::POST, PATH, Some(&body)).await {
        Ok(answer) => (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into()),
        Err(error) => (0, error.to_string()),
    }
}

async fn exists(cluster: &Cluster, i: u16, name: &str) -> bool {
    let answer = cluster.ask(i, Method::GET, &format!("{PATH}/{name}"), None).await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_wait_for_room_and_lose_nothing() {
    let cluster = Cluster::prepare(3).await;
    let mut disks = Vec::new();
    for i in 1..=3 {
        let Some(disk) = SmallDisk::mount(&cluster.group.node_config(i).data_dir) else {
            println!("SKIPPED: this process may not mount file systems");
            return;
        };
        disks.push(disk);
    }
    cluster.start_missing().await;
    let full = cluster.leader().await % 3 + 1;
    let other = full % 3 + 1;
    let pids: Vec<_> = (1..=3).map(|i| cluster.pid(i)).collect();

    // One member: the others go on, and it refuses what it could not keep.
    disks[usize::from(full) - 1].fill();
    let mut acknowledged = Vec::new();
    for n in 0..60 {
        let name = format!("one-full-{n}");
        let (status, said) = create(&cluster, other, &name).await;
        assert_eq!(status, 201, "{name}: {said}");
        acknowledged.push(name);
    }
    eventually("the full member refuses proposals", async || {
        let (status, said) = create(&cluster, full, "refused").await;
        status == 503 && said.contains("disk is full")
    })
    .await;
    disks[usize::from(full) - 1].empty();
    eventually("it takes proposals again", async || {
        matches!(create(&cluster, full, "room-again").await.0, 201 | 409)
    })
    .await;
    assert!(exists(&cluster, full, "one-full-59").await);

    // All members: writes are refused, not lost.
    disks.iter().for_each(SmallDisk::fill);
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        assert!(Instant::now() < deadline, "full disks go unnoticed");
        let name = format!("all-full-{n}");
        let (status, said) = create(&cluster, other, &name).await;
        match status {
            201 => acknowledged.push(name),
            503 if said.contains("disk is full") => break,
            503 | 504 => {}
            _ => panic!("{name}: {status} {said}"),
        }
    }
    disks.iter().for_each(SmallDisk::empty);
    eventually("the group writes again", async || {
        matches!(create(&cluster, other, "after").await.0, 201 | 409)
    })
    .await;
    assert_eq!(pids, (1..=3).map(|i| cluster.pid(i)).collect::<Vec<_>>(), "nobody crashed");
    for i in 1..=3 {
        cluster.kill(i).await;
    }
    cluster.start_missing().await;
    for i in 1..=3 {
        for name in &acknowledged {
            assert!(exists(&cluster, i, name).await, "{name} is lost on node-{i}");
        }
    }
}
