//! What a group of three with a large state does while a member joins it, a backup is made and its
//! leader is killed. A measurement of some minutes, run by hand:
//!
//! ```text
//! LARGE_MIB=1024 cargo test --release -p reddwarf-tests --test cluster large_state -- --ignored --nocapture
//! ```
//!
//! Members, the one that joins, and the writers share the machine: what the joining costs the writers
//! is its CPU, too.

use http::Method;
use reddwarf_tests::cluster::{Cluster, free_ports};
use reddwarf_tests::joiner::{Joiner, reddwarf, said, token};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Bytes of text in each object of the state.
const TEXT_BYTES: usize = 4_000;
/// Requests in flight while the state is made.
const FILLERS: usize = 64;
/// Writers that are measured, in turn at the members.
const WRITERS: u16 = 8;
/// How long they are measured while nothing else happens.
const QUIET: Duration = Duration::from_secs(15);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// After this a writer turns to another member.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A text that does not compress and follows from `seed` alone.
fn text(seed: usize, bytes: usize) -> String {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + (state >> 33) as u8 % 74)
    };
    (0..bytes).map(letter).filter(|c| *c != '\\').collect()
}

fn config_map(name: &str, seed: usize, bytes: usize) -> String {
    json!({"metadata": {"name": name}, "data": {"text": text(seed, bytes)}}).to_string()
}

/// Makes `count` objects through all members.
async fn fill(cluster: &Arc<Cluster>, count: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut fillers = JoinSet::new();
    for filler in 0..FILLERS {
        let (cluster, next) = (cluster.clone(), next.clone());
        fillers.spawn(async move {
            let member = (filler % 3) as u16 + 1;
            let mut connection = cluster.connect(member).await.expect("a connection");
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                let body = config_map(&format!("large-{n:07}"), n, TEXT_BYTES);
                let sent =
                    connection.send(Method::POST, PATH, Some("application/json"), body.into());
                let answer = sent.await.expect("an answer");
                assert!(answer.status.is_success(), "{:?}", answer.body);
            }
        });
    }
    fillers.join_all().await;
}

/// Writers in a closed loop, and when each of their writes was acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Instant>>>,
    running: JoinSet<()>,
}

impl Load {
    fn start(cluster: &Arc<Cluster>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let mut running = JoinSet::new();
        for writer in 0..WRITERS {
            running.spawn(write(cluster.clone(), writer, stop.clone(), acknowledged.clone()));
        }
        Load { stop, acknowledged, running }
    }

    /// Acknowledged writes a second between two moments, and the longest time without one.
    async fn between(&self, from: Instant, to: Instant) -> (f64, Duration) {
        let mut seen = self.acknowledged.lock().await;
        seen.sort_unstable();
        let within: Vec<_> = seen.iter().copied().filter(|at| (from..=to).contains(at)).collect();
        let gaps = within.windows(2).map(|pair| pair[1] - pair[0]);
        let rate = within.len() as f64 / (to - from).as_secs_f64();
        (rate, gaps.max().unwrap_or(to - from))
    }

    async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join_all().await;
    }
}

async fn write(
    cluster: Arc<Cluster>,
    writer: u16,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Instant>>>,
) {
    let mut member = writer % 3 + 1;
    let mut connection = None;
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let open = match &mut connection {
            Some(open) => open,
            None => match cluster.connect(member).await {
                Ok(open) => connection.insert(open),
                Err(_) => {
                    member = member % 3 + 1;
                    continue;
                }
            },
        };
        n += 1;
        let body = config_map(&format!("small-{writer}-{n}"), n, 500);
        let sent = open.send(Method::POST, PATH, Some("application/json"), body.into());
        match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            Ok(Ok(answer)) if answer.status.is_success() => {
                acknowledged.lock().await.push(Instant::now());
            }
            _ => {
                connection = None;
                member = member % 3 + 1;
            }
        }
    }
}

/// Waits until `check` holds.
async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Resident memory of a process, in MiB.
fn resident_mib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Waits until member `i` has written to its file what it has applied.
async fn written_down(cluster: &Cluster, i: u16) {
    until("everything is in the state's file", async || {
        let answer = cluster.ask(i, Method::GET, "/metrics", None).await.expect("metrics");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        text.lines().any(|line| line == "raft_durable_lag 0")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes; see the module"]
async fn large_state() {
    let set = std::env::var("LARGE_MIB").ok();
    let mib: usize = set.map_or(1_024, |text| text.parse().expect("a number of MiB"));
    let cluster = Arc::new(Cluster::start(3).await);
    let began = Instant::now();
    let count = (mib << 20) / TEXT_BYTES;
    fill(&cluster, count).await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("{count} objects, {mib} MiB of text: {:.1?}, {rate:.0}/s", began.elapsed());
    for i in 1..=3 {
        written_down(&cluster, i).await;
        let file = cluster.group.node_folder(i).join("data/state.redb");
        let bytes = fs::metadata(file).map_or(0, |file| file.len());
        println!(
            "node-{i}: {} MiB resident, {} MiB of file",
            resident_mib(cluster.pid(i).as_raw_nonzero().get()),
            bytes >> 20
        );
    }

    let load = Load::start(&cluster);
    let began = Instant::now();
    tokio::time::sleep(QUIET).await;
    let (alone, gap) = load.between(began, Instant::now()).await;
    println!("writes alone: {alone:.0}/s, longest gap {gap:.0?}");

    let join = token(&cluster, &[]);
    let began = Instant::now();
    let _fourth = Joiner::start(&cluster, &join, "node-4", free_ports(1), &[]);
    until("the fourth member votes", async || {
        let status = cluster.client.get_json("/reddwarf/status").await.unwrap_or_default();
        let members = status["members"].as_array().cloned().unwrap_or_default();
        members.iter().any(|m: &Value| m["name"] == "node-4" && m["voter"] == true)
    })
    .await;
    let (rate, gap) = load.between(began, Instant::now()).await;
    println!(
        "a fourth member votes after {:.1?}; meanwhile {rate:.0} writes/s ({:.0} %), longest gap {gap:.0?}",
        began.elapsed(),
        100.0 * rate / alone
    );

    let began = Instant::now();
    tokio::time::sleep(QUIET).await;
    let (four, gap) = load.between(began, Instant::now()).await;
    println!("writes with four members: {four:.0}/s, longest gap {gap:.0?}");

    let backup = cluster.group.folder.join("large.redb");
    let began = Instant::now();
    let output = reddwarf(&cluster, &["backup", backup.to_str().expect("a plain path")]);
    assert!(output.status.success(), "{}", said(&output));
    let (rate, gap) = load.between(began, Instant::now()).await;
    println!(
        "a backup of {} MiB after {:.1?}; meanwhile {rate:.0} writes/s ({:.0} %), longest gap {gap:.0?}",
        fs::metadata(&backup).map_or(0, |file| file.len()) >> 20,
        began.elapsed(),
        100.0 * rate / four
    );

    let leader = cluster.leader().await;
    let began = Instant::now();
    cluster.kill(leader).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_, gap) = load.between(began, Instant::now()).await;
    println!("the leader is killed: longest gap {gap:.0?}");
    load.finish().await;
    let began = Instant::now();
    cluster.start_missing().await;
    println!("it is ready again after {:.1?}", began.elapsed());
}
