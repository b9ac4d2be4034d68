//! What a disk keeps and loses.

use super::{SECTOR_BYTES, SimDisk};
use reddwarf_storage::{DataFile, DataFiles};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

const SEEDS: u64 = 60;

struct Machine {
    disk: SimDisk,
    deaths: Arc<AtomicUsize>,
    place: TempDir,
}

impl Machine {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("member");
        fs::create_dir(&folder).expect("a folder");
        let deaths = Arc::new(AtomicUsize::new(0));
        let count = deaths.clone();
        let on_death = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        Machine { disk: SimDisk::new(folder, on_death), deaths, place }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("member")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("reads")
    }

    /// A file of the log with these bytes, all of it on disk.
    fn file(&self, name: &str, bytes: &[u8]) -> File {
        let file = self.disk.preallocate(&self.path(name), bytes.len() as u64).expect("a file");
        self.disk.write_at(&file, 0, bytes).expect("writes");
        self.disk.sync(&file).expect("syncs");
        self.disk.sync_dir(&self.folder()).expect("syncs");
        file
    }

    fn open(&self, name: &str) -> Box<dyn DataFile> {
        DataFiles::open(&self.disk, &self.path(name)).expect("opens").expect("a simulated file")
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.folder()).expect("reads");
        entries
            .map(|entry| entry.expect("reads").file_name().into_string().expect("text"))
            .collect()
    }
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_go() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..SEEDS {
        let machine = Machine::new();
        let file = machine.file("log", &[1; 8_192]);
        machine.disk.write_at(&file, 0, &[2; 2_048]).expect("writes");
        machine.disk.sync(&file).expect("syncs");
        assert_eq!(machine.disk.unsynced_bytes(), 0);
        machine.disk.write_at(&file, 2_048 + 100, &[3; 3_000]).expect("writes");
        assert_eq!(machine.disk.unsynced_bytes(), 3_000);
        assert_eq!(machine.read("log")[2_148], 3, "the page cache has it");

        machine.disk.crash(seed).expect("crashes");
        let after = machine.read("log");
        assert_eq!(after.len(), 8_192);
        assert!(after[..2_048].iter().all(|byte| *byte == 2), "seed {seed}");
        assert!(after[2_048..2_148].iter().chain(&after[5_148..]).all(|byte| *byte == 1));
        let written = &after[2_148..5_148];
        match written.iter().filter(|byte| **byte == 3).count() {
            0 => lost += 1,
            3_000 => kept += 1,
            _ => {
                torn += 1;
                for sector in after.chunks(SECTOR_BYTES as usize).enumerate() {
                    let (start, end) = (sector.0 * 512, (sector.0 + 1) * 512);
                    let inside = &after[start.clamp(2_148, 5_148)..end.clamp(2_148, 5_148)];
                    let whole = inside.windows(2).all(|two| two[0] == two[1]);
                    assert!(whole, "seed {seed}: a sector is written at once or not at all");
                }
            }
        }
        assert_eq!(machine.disk.unsynced_bytes(), 0);
    }
    assert!(lost > 5 && kept > 5 && torn > 5, "{lost} lost, {kept} kept, {torn} torn");
}

#[test]
fn later_writes_survive_earlier_ones() {
    let survives = |seed| {
        let machine = Machine::new();
        let file = machine.file("log", &[0; 1_024]);
        machine.disk.write_at(&file, 0, &[1; 512]).expect("writes");
        machine.disk.write_at(&file, 512, &[2; 512]).expect("writes");
        machine.disk.crash(seed).expect("crashes");
        let after = machine.read("log");
        (after[0] == 1, after[512] == 2)
    };
    let seen: BTreeSet<_> = (0..SEEDS).map(survives).collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn a_data_file_loses_its_length_too() {
    let lengths = |seed| {
        let machine = Machine::new();
        let file = machine.open("state");
        file.set_len(10_000).expect("grows");
        file.write(9_000, &[7; 1_000]).expect("writes");
        file.sync_data().expect("syncs");
        file.set_len(5_000).expect("cuts");
        file.set_len(20_000).expect("grows");
        file.write(15_000, &[8; 10]).expect("writes");
        machine.disk.crash(seed).expect("crashes");
        let after = machine.read("state");
        if after.len() == 10_000 {
            assert!(after[..9_000].iter().all(|byte| *byte == 0));
            // Neither change of the length got through, or it would be another one.
            assert!(after[9_000..].iter().all(|byte| *byte == 7), "seed {seed}");
        }
        assert!(file.len_bytes().is_err(), "it is of an earlier life");
        after.len()
    };
    let seen: BTreeSet<_> = (0..SEEDS).map(lengths).collect();
    assert!(seen.is_superset(&[5_000, 10_000, 15_010, 20_000].into()), "{seen:?}");
}

#[test]
fn names_change_for_good_when_the_folder_is_synced() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new();
        let disk = &machine.disk;
        for (name, byte) in [("a", 1), ("b", 2), ("c", 3)] {
            machine.file(name, &[byte; 600]);
        }
        disk.rename(&machine.path("a"), &machine.path("b")).expect("renames");
        disk.sync_dir(&machine.folder()).expect("syncs");
        disk.link(&machine.path("b"), &machine.path("d")).expect("links");
        disk.rename(&machine.path("c"), &machine.path("b")).expect("renames");
        disk.remove(&machine.path("b")).expect("removes");
        assert_eq!(machine.names(), names(&["d"]));

        disk.crash(seed).expect("crashes");
        let found = machine.names();
        if found.contains("d") {
            assert_eq!(machine.read("d"), [1; 600]);
        }
        if found.contains("b") {
            let byte = if found.contains("c") { 1 } else { 3 };
            assert_eq!(machine.read("b"), [byte; 600]);
        }
        seen.insert(found);
    }
    let in_order = [names(&["b", "c"]), names(&["b", "c", "d"]), names(&["b", "d"]), names(&["d"])];
    assert_eq!(seen, in_order.into());
}

#[test]
fn a_new_file_may_go_until_it_is_synced() {
    let there = |seed, synced: bool| {
        let machine = Machine::new();
        let file = machine.open("state");
        file.write(0, b"row").expect("writes");
        if synced {
            file.sync_data().expect("syncs");
        }
        machine.disk.crash(seed).expect("crashes");
        machine.path("state").exists()
    };
    assert!((0..SEEDS).all(|seed| there(seed, true)));
    let seen: BTreeSet<_> = (0..SEEDS).map(|seed| there(seed, false)).collect();
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_removed_file_leaves_nothing_behind() {
    let machine = Machine::new();
    let file = machine.file("log", &[1; 600]);
    machine.disk.write_at(&file, 0, &[2; 600]).expect("writes");
    machine.disk.remove(&machine.path("log")).expect("removes");
    assert_eq!(machine.disk.unsynced_bytes(), 600, "the removal may be undone");
    machine.disk.sync_dir(&machine.folder()).expect("syncs");
    assert_eq!(machine.disk.unsynced_bytes(), 0);
    let aside = machine.place.path().join("member.aside");
    assert_eq!(fs::read_dir(aside).expect("reads").count(), 0);
    let error = machine.disk.remove(&machine.path("log")).expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_dead_disk_takes_nothing_and_hides_the_folder() {
    let machine = Machine::new();
    let file = machine.file("log", &[1; 600]);
    let data = machine.open("state");
    machine.disk.crash_at(2);
    machine.disk.write_at(&file, 0, &[2; 10]).expect("the first is done");
    assert!(machine.disk.write_at(&file, 100, &[3; 10]).is_err());
    assert!(machine.disk.is_dead());
    assert_eq!(machine.deaths.load(Ordering::Relaxed), 1);
    let operations = machine.disk.operations();

    // The doomed code goes on.
    for error in [
        machine.disk.sync(&file).expect_err("dead"),
        machine.disk.rename(&machine.path("log"), &machine.path("other")).expect_err("dead"),
        machine.disk.preallocate(&machine.path("new"), 10).expect_err("dead"),
        DataFiles::open(&machine.disk, &machine.path("state")).expect_err("dead"),
        data.write(0, b"row").expect_err("dead"),
        data.read(0, &mut [0; 1]).expect_err("dead"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Other);
        assert_eq!(error.to_string(), "the machine has lost power");
    }
    fs::create_dir_all(machine.folder()).expect("a folder of that name");
    fs::write(machine.path("log"), b"doomed").expect("writes");
    assert_eq!(machine.disk.operations(), operations);
    assert_eq!(machine.deaths.load(Ordering::Relaxed), 1);

    machine.disk.revive_without_loss().expect("goes on");
    let log = machine.read("log");
    assert_eq!((log[0], log[100], log.len()), (2, 3, 600));
    assert!(data.write(0, b"row").is_err(), "it is of an earlier life");
    machine.open("state").write(0, b"row").expect("writes");
    assert_eq!(machine.disk.unsynced_bytes(), 23, "a killed process has synced nothing");
}

#[test]
fn the_operation_of_the_death_is_not_done_unless_it_writes() {
    let machine = Machine::new();
    let file = machine.file("log", &[1; 600]);
    machine.disk.write_at(&file, 0, &[2; 600]).expect("writes");
    machine.disk.crash_at(1);
    assert!(machine.disk.sync(&file).is_err());
    machine.disk.revive_without_loss().expect("goes on");
    assert_eq!(machine.disk.unsynced_bytes(), 600);
    machine.disk.crash_at(1);
    assert!(machine.disk.remove(&machine.path("log")).is_err());
    machine.disk.revive_without_loss().expect("goes on");
    assert_eq!(machine.names(), names(&["log"]));
    assert!(machine.disk.revive(0).is_err(), "it is alive");
}

#[test]
fn a_full_disk_takes_what_has_its_room_already() {
    let machine = Machine::new();
    let file = machine.file("log", &[1; 600]);
    let data = machine.open("state");
    data.set_len(4_096).expect("grows");
    machine.disk.set_full(true);
    machine.disk.write_at(&file, 0, &[2; 600]).expect("has its room");
    data.set_len(100).expect("becomes shorter");
    for error in [
        machine.disk.write_at(&file, 1, &[2; 600]).expect_err("full"),
        machine.disk.preallocate(&machine.path("spare"), 10).expect_err("full"),
        data.set_len(4_096).expect_err("full"),
        data.write(0, b"row").expect_err("full"),
    ] {
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
    assert!(!machine.path("spare").exists());
    machine.disk.set_full(false);
    data.write(0, b"row").expect("there is room");
}

#[test]
fn what_a_failed_sync_lost_no_later_one_brings_back() {
    let mut evicted = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new();
        let file = machine.file("log", &[1; 12_288]);
        machine.disk.write_at(&file, 0, &[2; 8_192]).expect("writes");
        machine.disk.fail_next_sync(seed);
        assert_eq!(machine.disk.sync(&file).expect_err("fails").raw_os_error(), Some(5));
        evicted.insert(machine.read("log")[0]);
        // The second page is written again, with what is in memory.
        machine.disk.write_at(&file, 5_000, &[3; 10]).expect("writes");
        machine.disk.sync(&file).expect("syncs");
        let before = machine.read("log");
        machine.disk.crash(seed).expect("crashes");
        let after = machine.read("log");
        assert!(after[..4_096].iter().all(|byte| *byte == 1), "seed {seed}");
        assert_eq!(after[4_096..], before[4_096..], "seed {seed}");
        assert_eq!(after[5_000], 3);
    }
    assert_eq!(evicted, [1, 2].into());
}

#[test]
fn a_wiped_disk_is_empty() {
    let machine = Machine::new();
    let file = machine.file("log", &[1; 600]);
    assert!(machine.disk.wipe().is_err(), "it is alive");
    machine.disk.remove(&machine.path("log")).expect("removes");
    machine.disk.power_off().expect("loses power");
    machine.disk.wipe().expect("wipes");
    machine.disk.revive(0).expect("goes on");
    assert!(!machine.folder().exists());
    fs::create_dir(machine.folder()).expect("a folder");
    machine.file("log", &[2; 10]);
    machine.disk.crash(0).expect("crashes");
    assert_eq!(machine.read("log"), [2; 10]);
    drop(file);
}

#[test]
fn what_lies_outside_is_refused() {
    let machine = Machine::new();
    machine.file("log", &[1; 600]);
    let outside = Path::new("/elsewhere/log");
    let error = machine.disk.rename(&machine.path("log"), outside).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_a_disk_changes_by_itself_stays_changed() {
    let machine = Machine::new();
    let rot = |at: u64| {
        let name = Path::new("log");
        machine.disk.rot(name, |bytes| vec![(at, vec![bytes[at as usize] ^ 1])]).expect("changes");
    };
    let file = machine.file("log", &[2; 600]);
    rot(5);
    machine.disk.power_off().expect("loses power");
    rot(9);
    machine.disk.revive(0).expect("goes on");
    let changed: Vec<usize> = (0..600).filter(|at| machine.read("log")[*at] == 3).collect();
    assert_eq!(changed, [5, 9]);
    drop(file);
}
