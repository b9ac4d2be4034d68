//! A real member on a faulty disk: what it acknowledged is there after every loss.
//!
//! Needs root, `/dev/fuse` and a `reddwarf` beside the tests or named by `JEPSEN_REDDWARF`; without
//! them each test says that it is skipped.

use jepsen::client::{Call, Client};
use jepsen::disk::{
    Damage, DiskError, FailingSyncs, FaultyDisk, Lost, Survivors, SyncDelay, can_mount, tear_log,
};
use jepsen::host::{Group, Loopback, Member, READY_TIMEOUT};
use parking_lot::Mutex;
use rand::SeedableRng;
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::MutexGuard;

const OBJECTS: &str = "/api/v1/namespaces/default/configmaps";
const TIMEOUT: Duration = Duration::from_secs(10);
const VOLUME_BYTES: u64 = 256 * 1024 * 1024;

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("JEPSEN_REDDWARF").map(PathBuf::from);
    let test = std::env::current_exe().expect("a test knows its own path");
    let mut beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("reddwarf"));
    named.or_else(|| beside.find(|path| path.is_file()))
}

/// Groups do not run side by side: they would find the same port free, and share too few cores.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A group of one on a disk of its own.
struct Trial {
    group: Group,
    disk: Arc<FaultyDisk>,
    acknowledged: Mutex<BTreeSet<u32>>,
    next: AtomicU32,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Trial {
    async fn start() -> Option<Trial> {
        let skip = |why: String| {
            eprintln!("skipped: {why}");
            None
        };
        if let Err(error) = can_mount() {
            return skip(error.to_string());
        }
        let Some(program) = program() else { return skip("there is no reddwarf".into()) };
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hosts = Arc::new(Loopback::find(1).expect("a port"));
        let mut group = Group::lay_out(hosts, 1, folder.path(), &[program]).expect("laid out");
        let member = &mut group.all[0];
        let below = member.folder.join("disk");
        let disk = match FaultyDisk::mount_small(&below, &member.data, VOLUME_BYTES, 11) {
            Err(error @ DiskError::Cannot { .. }) => return skip(error.to_string()),
            other => Arc::new(other.expect("mounted")),
        };
        member.disk = Some(disk.clone());
        group.found().await.expect("it starts");
        Some(Trial {
            group,
            disk,
            acknowledged: Mutex::default(),
            next: 0.into(),
            _folder: folder,
            _turn: turn,
        })
    }

    fn member(&self) -> &Member {
        &self.group.all[0]
    }

    fn client(&self) -> Client {
        self.group.client(self.member(), TIMEOUT).expect("founded")
    }

    /// Creates objects until one is not acknowledged; gives what was said instead.
    async fn write(&self) -> String {
        let mut client = self.client();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let body = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("c{number}")},
                "data": {"padding": "x".repeat(rand::random_range(100..20_000))},
            });
            match client.send(Call::post(OBJECTS, &body)).await {
                Ok(answer) if answer.is_success() => drop(self.acknowledged.lock().insert(number)),
                Ok(answer) => return String::from_utf8_lossy(&answer.body).into_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Four writers, until `so` has come true.
    async fn write_until(&self, so: impl Fn() -> bool) {
        let writers =
            async { tokio::join!(self.write(), self.write(), self.write(), self.write()) };
        let condition = async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            said = writers => panic!("refused: {said:?}\n{}", self.member().log_tail(20)),
            () = condition => {}
        }
    }

    async fn write_more(&self, count: usize) {
        let goal = self.acknowledged.lock().len() + count;
        self.write_until(|| self.acknowledged.lock().len() >= goal).await;
    }

    /// The power fails in the midst of writes.
    async fn lose(&self, survivors: Survivors) -> Lost {
        self.disk.fail_power();
        // Long enough for a write that now waits for its sync.
        let _ = tokio::time::timeout(Duration::from_millis(20), self.write()).await;
        self.member().signal(rustix::process::Signal::KILL).expect("it runs");
        self.disk.power_off();
        self.member().wait_ended(TIMEOUT).await.expect("killed");
        self.disk.crash(survivors).expect("a crash")
    }

    async fn restart(&self) {
        self.member().start().expect("started");
        if let Err(error) = self.group.ready(self.member(), READY_TIMEOUT).await {
            panic!("{error}\n{}", self.member().log_tail(40));
        }
    }

    /// It ends, and says that `file` is damaged.
    async fn says_damaged(&self, file: &str) {
        let status = self.member().wait_ended(TIMEOUT).await;
        let log = self.member().log_tail(25);
        let status = status.unwrap_or_else(|error| panic!("{error}\n{log}"));
        assert!(!status.success(), "{status}");
        // A terminal's width breaks lines within words.
        let said: String = log.split(['\n', ' ', '│']).collect();
        assert!(said.contains(file) && said.contains("damaged"), "{log}");
    }

    /// Every acknowledged object is there.
    async fn check(&self) {
        let answer = self.client().send(Call::get(OBJECTS)).await.expect("an answer");
        let list = answer.json().expect("a list");
        let items = list["items"].as_array().expect("items");
        let names = items.iter().filter_map(|item| item["metadata"]["name"].as_str());
        let found: BTreeSet<u32> =
            names.filter_map(|n| n.strip_prefix('c')?.parse().ok()).collect();
        let missing: Vec<u32> = self.acknowledged.lock().difference(&found).copied().collect();
        assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // The disk cannot end while the member has files open there.
        let _ = self.member().signal(rustix::process::Signal::KILL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_loss_of_unsynced_writes() {
    let Some(trial) = Trial::start().await else { return };
    let mut lost = Lost::default();
    for round in 0..12 {
        let survivors = [Survivors::None, Survivors::Torn, Survivors::Some][round % 3];
        trial.write_more(150).await;
        let this = trial.lose(survivors).await;
        lost.bytes += this.bytes;
        lost.survived_bytes += this.survived_bytes;
        trial.restart().await;
        trial.check().await;
    }
    assert!(lost.bytes > 0 && lost.survived_bytes > 0, "nothing was lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_stops_the_member() {
    let Some(trial) = Trial::start().await else { return };
    trial.write_more(50).await;
    trial.disk.fail_syncs(FailingSyncs::Next);
    let said = trial.write().await;
    let status = trial.member().wait_ended(TIMEOUT).await;
    let status = status
        .unwrap_or_else(|error| panic!("{error}; it said {said}\n{}", trial.member().log_tail(40)));
    assert!(!status.success(), "{status}");
    assert_eq!(trial.disk.counters().syncs_failed, 1);
    trial.disk.heal();
    trial.disk.crash(Survivors::Some).expect("a crash");
    trial.restart().await;
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_syncs_delay_the_acknowledgement() {
    let Some(trial) = Trial::start().await else { return };
    let fixed = Duration::from_millis(200);
    trial.disk.delay_syncs(SyncDelay { fixed, jitter: Duration::from_millis(50) });
    let started = Instant::now();
    trial.write_more(1).await;
    assert!(started.elapsed() >= fixed, "{:?}", started.elapsed());
    trial.lose(Survivors::None).await;
    trial.disk.heal();
    trial.restart().await;
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let Some(trial) = Trial::start().await else { return };
    trial.write_more(50).await;
    trial.disk.fill().expect("filled");
    let deadline = Instant::now() + Duration::from_secs(60);
    let said = loop {
        let said = tokio::time::timeout(deadline - Instant::now(), trial.write()).await;
        let said = said.unwrap_or_else(|_| panic!("it finds room for a minute"));
        if said.contains("space") || said.contains("full") || said.contains("room") {
            break said;
        }
        eprintln!("said: {said}");
    };
    eprintln!("refused with: {said}");
    assert!(trial.member().pid().is_some(), "it runs on\n{}", trial.member().log_tail(40));
    trial.check().await;
    trial.disk.free().expect("freed");
    let freed = Instant::now();
    let before = trial.acknowledged.lock().len();
    while trial.acknowledged.lock().len() == before {
        assert!(freed.elapsed() < Duration::from_secs(5), "it does not go on: {said}");
        let _ = tokio::time::timeout(Duration::from_millis(100), trial.write()).await;
    }
    trial.lose(Survivors::None).await;
    trial.restart().await;
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_refused_and_a_torn_one_recovered() {
    let Some(trial) = Trial::start().await else { return };
    let mut random = rand::rngs::SmallRng::seed_from_u64(5);
    for _ in 0..10 {
        trial.write_more(20).await;
        trial.lose(Survivors::None).await;
        let damage = Damage::of_log(&trial.member().data, &mut random).expect("damaged");
        trial.member().start().expect("started");
        trial.says_damaged(damage.path.file_name().and_then(OsStr::to_str).expect("a name")).await;
        damage.repair().expect("repaired");
        tear_log(&trial.member().data, &mut random).expect("torn");
        trial.restart().await;
        trial.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_cut_short_is_refused() {
    let Some(trial) = Trial::start().await else { return };
    let mut random = rand::rngs::SmallRng::seed_from_u64(5);
    trial.write_more(50).await;
    trial.member().kill().await.expect("killed");
    let damage = Damage::cut_log(&trial.member().data, &mut random).expect("cut");
    trial.member().start().expect("started");
    trial.says_damaged(damage.path.file_name().and_then(OsStr::to_str).expect("a name")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_is_refused_or_made_anew_from_the_log() {
    let Some(trial) = Trial::start().await else { return };
    let mut random = rand::rngs::SmallRng::seed_from_u64(5);
    let aside = trial.member().data.join("state.redb.damaged");
    let mut noticed = 0;
    for _ in 0..12 {
        trial.write_more(20).await;
        trial.member().kill().await.expect("killed");
        let damage = Damage::of_state(&trial.member().data, &mut random).expect("damaged");
        trial.member().start().expect("started");
        if trial.group.ready(trial.member(), TIMEOUT).await.is_err() {
            trial.says_damaged("state.redb").await;
            damage.repair().expect("repaired");
            trial.restart().await;
            noticed += 1;
        }
        // What could not be read is kept for whoever wants to look at it.
        noticed += u32::from(std::fs::remove_file(&aside).is_ok());
        trial.check().await;
    }
    assert!(noticed > 0, "it never noticed");
}
