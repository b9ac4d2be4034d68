//! A full, a slow and a damaged disk of one member: the others go on, whoever asks is told, and the
//! member recovers by itself.

use crate::trio::{MAPS, PATIENCE, Trio, eventually, map};
use jepsen::client::Call;
use jepsen::disk::{FaultyDisk, SyncDelay, can_be_small, can_mount};
use jepsen::host::{Group, Member};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Room for the log's segment in use and its reserve, and for the state.
const VOLUME_BYTES: u64 = 160 << 20;
const EVENTS: &str =
    "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dkubernetes";

/// Puts a small disk below every member.
fn small_disks(group: &mut Group) -> Result<(), String> {
    can_mount().and_then(|()| can_be_small()).map_err(|error| error.to_string())?;
    for (at, member) in group.all.iter_mut().enumerate() {
        let below = member.folder.join("disk");
        let disk = FaultyDisk::mount_small(&below, &member.data, VOLUME_BYTES, at as u64);
        member.disk = Some(Arc::new(disk.map_err(|error| error.to_string())?));
    }
    Ok(())
}

/// The events about the members: how often each reason was told of a member.
async fn told(trio: &Trio, asked: &Member, member: &Member) -> BTreeMap<String, Value> {
    let list = trio.get(asked, EVENTS).await;
    let items = list["items"].as_array().expect("events").iter();
    let about = items.filter(|event| {
        event["involvedObject"]["kind"] == "Service"
            && event["message"].as_str().is_some_and(|text| text.contains(&member.name))
    });
    let reason = |event: &Value| event["reason"].as_str().expect("a reason").to_owned();
    about.map(|event| (reason(event), event.clone())).collect()
}

/// Waits until `reason` is told of a member; the event.
async fn until_told(trio: &Trio, asked: &Member, member: &Member, reason: &str) -> Value {
    let mut event = None;
    eventually(&format!("{reason} of {}", member.name), async || {
        event = told(trio, asked, member).await.remove(reason);
        event.is_some()
    })
    .await;
    event.expect("just seen")
}

async fn figure(trio: &Trio, member: &Member, name: &str) -> f64 {
    let answer = trio.ask(member, Call::get("/metrics")).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

async fn is_ready(trio: &Trio, member: &Member) -> bool {
    trio.client(member).send(Call::get("/readyz")).await.is_ok_and(|answer| answer.is_success())
}

fn large(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"a": "b".repeat(200_000)},
    })
}

/// Fills a member's disk and writes until the member notices. Every write that a member which has
/// room takes on is acknowledged, but for those under way while leadership moves.
async fn fill(trio: &Trio, full: &Member, round: &str) -> Vec<String> {
    let disk = full.disk.as_ref().expect("it has one");
    disk.fill().expect("filled");
    let other = trio.others(full)[0];
    let mut acknowledged = Vec::new();
    let began = Instant::now();
    for number in 0.. {
        let name = format!("{round}-{number}");
        let answer = trio.ask(other, Call::post(MAPS, &large(&name))).await;
        match answer.status.as_u16() {
            201 => acknowledged.push(name),
            503 | 504 => {}
            _ => panic!("{name}: {answer:?}"),
        }
        if figure(trio, full, "raft_disk_full").await == 1.0 {
            break;
        }
        // What the member has removed meanwhile gave room once more.
        disk.fill().expect("filled");
        assert!(began.elapsed() < PATIENCE, "a full disk goes unnoticed");
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_on_a_full_disk_is_told_of_and_recovers() {
    let Some(trio) = Trio::in_namespaces(small_disks).await else { return };
    for leads in [false, true] {
        let full = if leads { trio.leader().await } else { trio.followers().await[0] };
        let other = trio.others(full)[0];
        let round = if leads { "leader" } else { "follower" };
        let mut acknowledged = fill(&trio, full, round).await;
        let noticed = Instant::now();

        let check = trio.ask(full, Call::get("/readyz?verbose")).await;
        assert!(!check.is_success(), "{check:?}");
        assert!(String::from_utf8_lossy(&check.body).contains("[-]disk failed"), "{check:?}");
        let answer = trio.ask(full, Call::post(MAPS, &map("refused"))).await;
        let said = answer.json().expect("a status");
        assert_eq!((&said["code"], &said["reason"]), (&json!(503), &json!("ServiceUnavailable")));
        assert!(
            said["message"].as_str().is_some_and(|text| text.contains("disk is full")),
            "{said}"
        );
        // Reads go on there, and everything elsewhere: also when it led, for it gave way.
        trio.get(full, MAPS).await;
        let name = format!("{round}-elsewhere");
        eventually("the others take writes", async || {
            let answer = trio.ask(other, Call::post(MAPS, &map(&name))).await;
            matches!(answer.status.as_u16(), 201 | 409)
        })
        .await;
        let stalled = noticed.elapsed();
        acknowledged.push(name);
        let event = until_told(&trio, other, full, "DiskFull").await;
        assert_eq!(
            (&event["type"], &event["source"]["component"]),
            (&json!("Warning"), &json!("reddwarf"))
        );
        println!(
            "leads: {leads}; writes elsewhere {stalled:?} after it was noticed, the event {:?}",
            noticed.elapsed()
        );

        full.disk.as_ref().expect("it has one").free().expect("freed");
        let freed = Instant::now();
        eventually("it is ready again", async || is_ready(&trio, full).await).await;
        println!("ready again {:?} after there was room", freed.elapsed());
        eventually("the figure says so", async || {
            figure(&trio, full, "raft_disk_full").await == 0.0
        })
        .await;
        until_told(&trio, other, full, "DiskHasRoom").await;
        for name in &acknowledged {
            trio.get(full, &format!("{MAPS}/{name}")).await;
        }
    }
    trio.end().await;
}

/// Writes one after the other; the median of how long one took.
async fn median_write(trio: &Trio, member: &Member, round: &str) -> Duration {
    let mut client = trio.client(member);
    let mut took = Vec::new();
    for number in 0..60 {
        let began = Instant::now();
        let body = map(&format!("{round}-{number}"));
        let answer = client.send(Call::post(MAPS, &body)).await.expect("an answer");
        assert!(answer.is_success(), "{answer:?}");
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaders_slow_disk_slows_nobody_and_is_told_of() {
    slow_disks(&[true]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "half a minute; see the justfile"]
async fn whichever_disk_is_slow_slows_nobody_and_is_told_of() {
    slow_disks(&[false, true]).await;
}

/// Makes one disk slow after the other, that of a leader or not.
async fn slow_disks(leading: &[bool]) {
    let Some(trio) = Trio::in_namespaces(small_disks).await else { return };
    for leads in leading.iter().copied() {
        let slow = if leads { trio.leader().await } else { trio.followers().await[0] };
        let other = trio.others(slow)[0];
        let quick = median_write(&trio, other, &format!("quick-{leads}")).await;
        let delay = Duration::from_millis(600);
        let disk = slow.disk.as_ref().expect("it has one");
        disk.delay_syncs(SyncDelay { fixed: delay, jitter: Duration::ZERO });
        let slowed = median_write(&trio, other, &format!("slow-{leads}")).await;
        println!(
            "leads: {leads}; a write took {quick:?} before, {slowed:?} with a sync of {delay:?}"
        );
        assert!(slowed < delay / 4, "one slow disk of three slows writes: {slowed:?}");
        let event = until_told(&trio, other, slow, "DiskSlow").await;
        assert_eq!(event["type"], "Warning");
        // Of all its syncs, those that took longer than the last bucket but one below the delay.
        eventually("a slow sync is counted when it has ended", async || {
            let below = figure(&trio, slow, "raft_fsync_seconds_bucket{le=\"0.4096\"}").await;
            figure(&trio, slow, "raft_fsync_seconds_count").await > below
        })
        .await;
        disk.heal();
        until_told(&trio, other, slow, "DiskQuick").await;
    }
    trio.end().await;
}

/// The newest 128 MiB stay, another 64 are written until the next snapshot is recorded, and there are
/// the segment in use, its reserve, and what is written until the purge is done.
const LOG_BYTES_MAX: u64 = (128 + 64 + 4 * 16) << 20;
const WRITTEN_BYTES: u64 = 400 << 20;

/// Bytes on disk of a member's log.
fn log_bytes(member: &Member) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(member.data.join("wal")).expect("a log").flatten();
    // One may be removed meanwhile.
    files.filter_map(|file| Some(file.metadata().ok()?.blocks() * 512)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes 400 MiB through three members"]
async fn the_log_gives_its_space_back_while_it_is_written() {
    let Some(trio) = Trio::in_namespaces(|_| Ok(())).await else { return };
    let leader = trio.leader().await;
    trio.write(leader, "large").await;
    let path = format!("{MAPS}/large");
    let padding = "x".repeat(900_000);
    let (mut written, mut most) = (0, 0);
    for number in 0.. {
        let mut body = map("large");
        body["data"] = json!({"padding": padding, "number": number.to_string()});
        let answer = trio.ask(leader, Call::put(&path, &body)).await;
        assert!(answer.is_success(), "{answer:?}");
        written += padding.len() as u64;
        most = trio.group.all.iter().map(log_bytes).fold(most, u64::max);
        assert!(most <= LOG_BYTES_MAX, "a log takes {most} bytes after {written} were written");
        if written >= WRITTEN_BYTES {
            break;
        }
    }
    println!("{} MiB were written, a log took {} MiB at most", written >> 20, most >> 20);
    trio.end().await;
}
