//! Mounted disks: they pass everything through, and do what they are told to.
//!
//! Needs root and `/dev/fuse`; without them each test says that it is skipped.

use jepsen::disk::{DiskError, FailingSyncs, FaultyDisk, Survivors, SyncDelay, can_mount};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Mounted {
    disk: Option<FaultyDisk>,
    folder: TempDir,
}

impl Mounted {
    fn new() -> Option<Mounted> {
        if let Err(error) = can_mount() {
            eprintln!("skipped: {error}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mounted = Mounted { disk: None, folder };
        mounted.mount();
        Some(mounted)
    }

    fn mount(&mut self) {
        let (backing, at) = (self.folder.path().join("backing"), self.folder.path().join("disk"));
        self.disk = Some(FaultyDisk::mount(&backing, &at, 7).expect("mounted"));
    }

    fn disk(&self) -> &FaultyDisk {
        self.disk.as_ref().expect("mounted")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk().mountpoint().join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.disk.take());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { path: usize, offset: u64, data: Vec<u8>, sync: bool },
    Append(usize, Vec<u8>),
    Resize(usize, u64),
    Reserve(usize, u64),
    Remove(usize),
    Rename(usize, usize),
    MakeFolder(usize),
    RemoveFolder(usize),
}

const PATHS: [&str; 6] = ["a", "b", "c", "d/a", "d/b", "d/e/a"];
const FOLDERS: [&str; 3] = ["d", "d/e", "f"];

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    let data = prop_oneof![0..100_usize, Just(4096), Just(300_000)]
        .prop_flat_map(|len| (any::<u8>(), Just(len)))
        .prop_map(|(byte, len)| (0..len).map(|at| byte.wrapping_add(at as u8)).collect::<Vec<_>>());
    let offset = prop_oneof![0..300_u64, 4000..9000_u64];
    prop_oneof![
        6 => (path(), offset, data.clone(), any::<bool>())
            .prop_map(|(path, offset, data, sync)| Step::Write { path, offset, data, sync }),
        2 => (path(), data).prop_map(|(path, data)| Step::Append(path, data)),
        1 => (path(), 0..10_000_u64).prop_map(|(path, len)| Step::Resize(path, len)),
        1 => (path(), 1..10_000_u64).prop_map(|(path, len)| Step::Reserve(path, len)),
        1 => path().prop_map(Step::Remove),
        2 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (0..FOLDERS.len()).prop_map(Step::MakeFolder),
        1 => (0..FOLDERS.len()).prop_map(Step::RemoveFolder),
    ]
}

fn run(step: &Step, root: &Path) -> Result<(), ErrorKind> {
    let path = |at: &usize| root.join(PATHS[*at]);
    let folder = |at: &usize| root.join(FOLDERS[*at]);
    let writable = || OpenOptions::new().write(true).to_owned();
    let done = match step {
        Step::Write { path: at, offset, data, sync } => {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path(at));
            file.and_then(|file| {
                file.write_all_at(data, *offset)?;
                if *sync { file.sync_data() } else { Ok(()) }
            })
        }
        Step::Append(at, data) => {
            let file = OpenOptions::new().create(true).append(true).open(path(at));
            file.and_then(|mut file| file.write_all(data))
        }
        Step::Resize(at, len) => writable().open(path(at)).and_then(|file| file.set_len(*len)),
        Step::Reserve(at, len) => writable().open(path(at)).and_then(|file| {
            let flags = rustix::fs::FallocateFlags::empty();
            Ok(rustix::fs::fallocate(&file, flags, 0, *len)?)
        }),
        Step::Remove(at) => std::fs::remove_file(path(at)),
        Step::Rename(from, to) => std::fs::rename(path(from), path(to)),
        Step::MakeFolder(at) => std::fs::create_dir(folder(at)),
        Step::RemoveFolder(at) => std::fs::remove_dir(folder(at)),
    };
    done.map_err(|error| error.kind())
}

/// All files with their content, all folders, below `root`.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let content = (!path.is_dir()).then(|| std::fs::read(&path).expect("a file"));
            found.insert(path.strip_prefix(root).expect("below").to_owned(), content);
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn passes_everything_through(steps in prop::collection::vec(step(), 1..40)) {
        let Some(mounted) = Mounted::new() else { return Ok(()) };
        let plain = mounted.folder.path().join("plain");
        std::fs::create_dir(&plain).expect("a folder");
        for step in &steps {
            let (here, there) = (run(step, mounted.disk().mountpoint()), run(step, &plain));
            prop_assert_eq!(here, there, "{:?}", step);
        }
        prop_assert_eq!(tree(mounted.disk().mountpoint()), tree(&plain));
        // The same from the backing folder: nothing is held back.
        prop_assert_eq!(tree(&mounted.folder.path().join("backing/data")), tree(&plain));
    }
}

#[test]
fn an_open_file_outlives_its_name() {
    let Some(mounted) = Mounted::new() else { return };
    let file = OpenOptions::new().create_new(true).read(true).write(true).open(mounted.path("a"));
    let file = file.expect("made");
    std::fs::remove_file(mounted.path("a")).expect("removed");
    file.write_all_at(b"still", 0).expect("written");
    let mut read = [0; 5];
    file.read_exact_at(&mut read, 0).expect("read");
    assert_eq!(&read, b"still");
    assert_eq!(std::fs::read_dir(mounted.disk().mountpoint()).expect("a folder").count(), 0);
}

#[test]
fn files_are_locked_between_processes_as_elsewhere() {
    let Some(mounted) = Mounted::new() else { return };
    let first = File::create(mounted.path("a")).expect("made");
    let second = File::open(mounted.path("a")).expect("opened");
    first.try_lock().expect("free");
    second.try_lock().expect_err("held");
    drop(first);
    second.try_lock().expect("free again");
}

#[test]
fn a_crash_is_seen_through_the_kernels_caches() {
    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.path("a");
    let file = File::create(&path).expect("made");
    file.write_all_at(b"durable", 0).expect("written");
    file.sync_data().expect("synced");
    file.write_all_at(b"lost, and longer", 0).expect("written");
    std::fs::rename(&path, mounted.path("b")).expect("renamed");
    File::create(mounted.path("c")).expect("made");
    drop(file);
    assert_eq!(std::fs::read(mounted.path("b")).expect("there"), b"lost, and longer");
    let lost = mounted.disk().crash(Survivors::None).expect("a crash");
    assert_eq!((lost.files, lost.names), (1, 2));
    assert_eq!(std::fs::metadata(&path).expect("there").len(), 7);
    assert_eq!(std::fs::read(&path).expect("there"), b"durable");
    for gone in ["b", "c"] {
        let error = File::open(mounted.path(gone)).expect_err("it never was");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(mounted.disk().counters().lost, lost);
}

#[test]
fn syncs_wait_and_go_on_when_the_disk_heals() {
    let Some(mounted) = Mounted::new() else { return };
    let file = File::create(mounted.path("a")).expect("made");
    let fixed = Duration::from_millis(50);
    mounted.disk().delay_syncs(SyncDelay { fixed, jitter: Duration::from_millis(5) });
    let started = Instant::now();
    file.sync_data().expect("synced");
    assert!(started.elapsed() >= fixed);
    let counters = mounted.disk().counters();
    assert_eq!((counters.syncs, counters.syncs_delayed), (1, 1));
    assert!(counters.delay_us >= 50_000, "{counters:?}");

    let hour = Duration::from_secs(3600);
    mounted.disk().delay_syncs(SyncDelay { fixed: hour, jitter: Duration::ZERO });
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync_data());
        // Others go on meanwhile.
        std::fs::write(mounted.path("b"), "b").expect("written");
        assert!(!sync.is_finished());
        mounted.disk().heal();
        sync.join().expect("no panic").expect("synced");
    });
}

#[test]
fn a_failed_sync_gives_up_what_was_written() {
    let Some(mounted) = Mounted::new() else { return };
    let file = File::create(mounted.path("a")).expect("made");
    file.write_all_at(&[1; 4096], 0).expect("written");
    file.sync_all().expect("synced");
    file.write_all_at(&[2; 4096], 0).expect("written");
    mounted.disk().fail_syncs(FailingSyncs::Next);
    let error = file.sync_data().expect_err("made to fail");
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    file.sync_data().expect("only one fails");
    assert_eq!(std::fs::read(mounted.path("a")).expect("there"), [2; 4096]);
    drop(file);
    mounted.disk().crash(Survivors::Some).expect("a crash");
    assert_eq!(std::fs::read(mounted.path("a")).expect("there"), [1; 4096]);
    assert_eq!(mounted.disk().counters().syncs_failed, 1);
}

#[test]
fn nothing_becomes_durable_once_the_power_fails() {
    let Some(mounted) = Mounted::new() else { return };
    let file = File::create(mounted.path("a")).expect("made");
    file.sync_all().expect("synced");
    file.write_all_at(b"lost", 0).expect("written");
    mounted.disk().fail_power();
    std::thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync_data());
        file.write_all_at(b"later", 0).expect("written");
        assert!(!sync.is_finished());
        mounted.disk().power_off();
        sync.join().expect("no panic").expect_err("nothing was done");
    });
    drop(file);
    let lost = mounted.disk().crash(Survivors::None).expect("a crash");
    assert_eq!((lost.bytes, lost.names), (5, 0));
    assert_eq!(std::fs::read(mounted.path("a")).expect("there"), b"");
    File::open(mounted.path("a")).expect("there").sync_all().expect("the power is back");
}

#[test]
fn what_a_dead_process_left_mounted_is_replaced() {
    let Some(mut mounted) = Mounted::new() else { return };
    std::fs::write(mounted.path("a"), "a").expect("written");
    // As if the process had ended: nobody unmounts.
    std::mem::forget(mounted.disk.take());
    mounted.mount();
    assert_eq!(std::fs::read(mounted.path("a")).expect("there"), b"a");
    let at = mounted.disk().mountpoint().to_owned();
    mounted.disk.take().expect("mounted").unmount().expect("unmounted");
    let table = std::fs::read_to_string("/proc/self/mounts").expect("a table");
    assert!(!table.contains(at.to_str().expect("a plain path")));
}

/// Where [`mounts_and_dies`] mounts.
const MOUNT_AND_DIE: &str = "JEPSEN_TEST_MOUNT_AND_DIE";

#[test]
#[ignore = "a part of the next test, which runs it in a process of its own"]
fn mounts_and_dies() {
    let Some(folder) = std::env::var_os(MOUNT_AND_DIE).map(PathBuf::from) else { return };
    let at = folder.join("disk");
    let _disk = FaultyDisk::mount(&folder.join("backing"), &at, 1).expect("mounted");
    // Now its attributes are in the kernel's cache.
    std::fs::metadata(&at).expect("a folder");
    std::process::abort();
}

#[test]
fn what_dead_processes_left_mounted_elsewhere_is_removed() {
    let Some(mut mounted) = Mounted::new() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let child = std::process::Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "disk::mounts_and_dies", "--ignored"])
        .env(MOUNT_AND_DIE, folder.path())
        .output()
        .expect("it runs");
    // It came as far as that; whoever mounts next, a test beside this one too, cleans up.
    let aborted = Some(rustix::process::Signal::ABORT.as_raw());
    assert_eq!(child.status.signal(), aborted, "{}", String::from_utf8_lossy(&child.stdout));
    mounted.disk.take();
    mounted.mount();
    let table = std::fs::read_to_string("/proc/self/mounts").expect("a table");
    assert!(!table.contains(folder.path().to_str().expect("a plain path")));
}

#[test]
fn a_full_disk_refuses_what_is_not_reserved() {
    if let Err(error) = can_mount() {
        eprintln!("skipped: {error}");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path().join("disk");
    let mounted = FaultyDisk::mount_small(&folder.path().join("below"), &at, 64 << 20, 1);
    let disk = match mounted {
        Err(error @ DiskError::Cannot { .. }) => {
            eprintln!("skipped: {error}");
            return;
        }
        other => other.expect("mounted"),
    };
    let reserved = File::create(at.join("reserved")).expect("made");
    let none = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(&reserved, none, 0, 1 << 20).expect("there is room");
    std::fs::write(at.join("removed"), vec![1; 1 << 20]).expect("there is room");

    let room = disk.fill().expect("filled");
    assert!(room.before_bytes > 32 << 20 && room.after_bytes == 0, "{room:?}");
    let stat = rustix::fs::statvfs(&at).expect("a file system");
    assert_eq!(stat.f_bavail, 0);
    reserved.write_all_at(&[1; 1 << 20], 0).expect("reserved");
    reserved.sync_all().expect("synced");
    let error = std::fs::write(at.join("more"), [1; 4096]).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(disk.counters().refused_full > 0);

    // What is removed is free for others at once, although the removal is not durable yet.
    std::fs::remove_file(at.join("removed")).expect("removed");
    std::fs::write(at.join("more"), [1; 4096]).expect("room again");
    let room = disk.free().expect("freed");
    assert!(room.after_bytes > 32 << 20, "{room:?}");
    std::fs::write(at.join("more"), vec![1; 1 << 20]).expect("room again");
    disk.unmount().expect("unmounted");
    let table = std::fs::read_to_string("/proc/self/mounts").expect("a table");
    assert!(!table.contains(folder.path().to_str().expect("a plain path")));
}
