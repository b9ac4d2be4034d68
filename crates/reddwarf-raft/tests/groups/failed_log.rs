//! A member whose log cannot be written any more ends at once, and says nothing that is not so.

use crate::group::{Group, Running, create};
use reddwarf_core::{Committed, ProposeError};
use reddwarf_raft::Limits;
use reddwarf_raft::wal::{Disk, FileDisk};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Proposals under way when the log fails.
const WRITERS: usize = 40;
/// Much less than what proposals, reads and a clean stop may take.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Files whose next sync waits until it may fail.
#[derive(Default)]
struct FailingDisk {
    armed: AtomicBool,
    waits: Mutex<Waits>,
    changed: Condvar,
}

#[derive(Default)]
struct Waits {
    reached: bool,
    may_fail: bool,
}

impl Disk for FailingDisk {
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<File> {
        FileDisk.preallocate(path, len)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileDisk.write_at(file, offset, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if !self.armed.load(Ordering::SeqCst) {
            return FileDisk.sync(file);
        }
        let mut waits = self.waits.lock().expect("not poisoned");
        waits.reached = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(waits, |waits| !waits.may_fail));
        Err(io::Error::other("the disk is broken"))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileDisk.sync_dir(dir)
    }
}

impl FailingDisk {
    /// Returns once a sync waits.
    fn wait_reached(&self) {
        let waits = self.waits.lock().expect("not poisoned");
        drop(self.changed.wait_while(waits, |waits| !waits.reached).expect("not poisoned"));
    }

    fn fail(&self) {
        self.waits.lock().expect("not poisoned").may_fail = true;
        self.changed.notify_all();
    }
}

/// Counts panics of all threads from now on.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, before) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        counted.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    count
}

type Writes = Vec<tokio::task::JoinHandle<(String, Result<Committed, ProposeError>)>>;

fn write_many(running: &Running, prefix: &str) -> Writes {
    let write = |number| {
        let (store, name) = (Arc::clone(&running.store), format!("{prefix}-{number}"));
        running.runtime.spawn(async move {
            let outcome = store.propose(create(&name, 64)).await;
            (name, outcome)
        })
    };
    (0..WRITERS).map(write).collect()
}

#[test]
fn a_leader_whose_log_fails_ends_at_once() {
    let disk = Arc::new(FailingDisk::default());
    let disks = HashMap::from([(0, Arc::clone(&disk) as Arc<dyn Disk>)]);
    let mut group = Group::start_on(3, Limits::default(), disks);
    while group.leader() != 0 {
        let running = group.member(group.leader());
        running.runtime.block_on(running.node.hand_over());
    }
    group.create(0, "before").expect("written");
    group.create(1, "through-a-follower").expect("written");
    let panics = count_panics();
    disk.armed.store(true, Ordering::SeqCst);
    let own = write_many(group.member(0), "own");
    let forwarded = write_many(group.member(1), "forwarded");
    disk.wait_reached();
    let running = group.member(0);
    let read = {
        let store = Arc::clone(&running.store);
        running.runtime.spawn(async move { store.read_barrier().await })
    };
    let started = Instant::now();
    disk.fail();
    let reason = running.runtime.block_on(async { running.node.failed().await.to_string() });
    assert!(reason.contains("the disk is broken"), "{reason}");
    let mut acknowledged = Vec::new();
    for write in own {
        let (name, outcome) = running.runtime.block_on(write).expect("it ends");
        match outcome {
            Ok(_) => acknowledged.push(name),
            Err(ProposeError::Unknown(_)) => {}
            // What was not appended anywhere is not there later.
            Err(ProposeError::Unavailable(_)) => assert!(!group.has(1, &name), "{name}"),
            Err(other) => panic!("{name}: {other}"),
        }
    }
    let _ = running.runtime.block_on(read).expect("it ends");
    group.stop(0);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    // The others go on, and the follower's writes with them.
    for write in forwarded {
        let (name, outcome) = group.member(1).runtime.block_on(write).expect("it ends");
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        acknowledged.push(name);
    }
    let leader = group.leader();
    group.barrier(leader);
    for name in acknowledged.iter().map(String::as_str).chain(["before", "through-a-follower"]) {
        assert!(group.has(leader, name), "{name}");
    }
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}
