//! Random operations, syncs and crashes, compared with a model that keeps whole copies.

use super::super::behavior::FailingSyncs;
use super::super::names::entries;
use super::super::survivors::seeded;
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

const FOLDERS: [&str; 2] = ["", "d"];

#[derive(Clone, Debug)]
enum Step {
    Create(usize, u8),
    Write { file: usize, offset: u64, len: u64, byte: u8 },
    Resize { file: usize, len: u64 },
    Remove(usize, u8),
    Rename { from: (usize, u8), to: (usize, u8) },
    Sync(usize),
    FailedSync(usize),
    SyncFolder(usize),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..FOLDERS.len(), 0..4_u8);
    let len = || prop_oneof![0..300_u64, 4000..4200_u64, 8000..20_000_u64];
    prop_oneof![
        3 => place().prop_map(|(folder, name)| Step::Create(folder, name)),
        6 => (0..8_usize, len(), len(), 1..255_u8)
            .prop_map(|(file, offset, len, byte)| Step::Write { file, offset, len, byte }),
        2 => (0..8_usize, len()).prop_map(|(file, len)| Step::Resize { file, len }),
        2 => place().prop_map(|(folder, name)| Step::Remove(folder, name)),
        2 => (place(), place()).prop_map(|(from, to)| Step::Rename { from, to }),
        3 => (0..8_usize).prop_map(Step::Sync),
        1 => (0..8_usize).prop_map(Step::FailedSync),
        1 => (0..FOLDERS.len()).prop_map(Step::SyncFolder),
        1 => Just(Step::Crash),
    ]
}

/// By folder and name.
type Names = BTreeMap<(usize, u8), u64>;

/// Whole copies of what is there and of what a crash leaves.
#[derive(Default)]
struct Model {
    now: Names,
    durable: Names,
    /// After each change: the names, and the numbers that it concerns.
    journal: Vec<(Names, BTreeSet<u64>)>,
    content: BTreeMap<u64, Vec<u8>>,
    durable_content: BTreeMap<u64, Vec<u8>>,
    /// Blocks that a failed sync gave up, and those written since the last sync.
    given_up: BTreeMap<u64, BTreeSet<usize>>,
    touched: BTreeMap<u64, BTreeSet<usize>>,
}

impl Model {
    fn changed(&mut self, concerned: impl IntoIterator<Item = u64>) {
        self.journal.push((self.now.clone(), concerned.into_iter().collect()));
    }

    fn touch(&mut self, ino: u64, bytes: Range<u64>) {
        let blocks = bytes.start as usize / 4096..bytes.end.div_ceil(4096) as usize;
        self.touched.entry(ino).or_default().extend(blocks);
    }

    fn sync(&mut self, ino: u64) {
        let touched = self.touched.remove(&ino).unwrap_or_default();
        if let Some(now) = self.content.get(&ino) {
            let given_up = self.given_up.entry(ino).or_default();
            given_up.retain(|block| !touched.contains(block));
            let old = self.durable_content.get(&ino).cloned().unwrap_or_default();
            let mut durable = now.clone();
            for block in given_up.iter() {
                for at in block * 4096..((block + 1) * 4096).min(durable.len()) {
                    durable[at] = old.get(at).copied().unwrap_or(0);
                }
            }
            self.durable_content.insert(ino, durable);
        }
        if let Some(at) = self.journal.iter().rposition(|(_, concerned)| concerned.contains(&ino)) {
            self.durable = self.journal[at].0.clone();
            self.journal.drain(..=at);
        }
    }

    fn failed_sync(&mut self, ino: u64) {
        let touched = self.touched.remove(&ino).unwrap_or_default();
        self.given_up.entry(ino).or_default().extend(touched);
    }

    fn crash(&mut self) {
        self.now = self.durable.clone();
        self.journal.clear();
        self.content = self.durable_content.clone();
        self.given_up.clear();
        self.touched.clear();
    }
}

use std::ops::Range;

/// A volume and the model of it.
struct Pair {
    _folder: tempfile::TempDir,
    volume: Volume,
    model: Model,
    folders: Vec<u64>,
}

fn name(number: u8) -> OsString {
    OsString::from(number.to_string())
}

impl Pair {
    fn new() -> Pair {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
        std::fs::create_dir_all(data.join("d")).expect("a folder");
        std::fs::create_dir(&aside).expect("a folder");
        let volume = Volume::open(&data, &aside, seeded(1)).expect("a volume");
        let inner = volume.look_up(ROOT, OsStr::new("d")).expect("the folder").ino;
        Pair { _folder: folder, volume, model: Model::default(), folders: vec![ROOT, inner] }
    }

    /// The number by which the journal of names knows a folder.
    fn folder_ino(&self, folder: usize) -> u64 {
        self.volume.node(self.folders[folder]).expect("a folder").ino
    }

    fn file(&self, at: usize) -> Option<u64> {
        self.model.now.values().nth(at).copied()
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Create(folder, number) => self.create(folder, number),
            Step::Write { file, offset, len, byte } => {
                let Some(ino) = self.file(file) else { return };
                self.write(ino, offset, len, byte);
            }
            Step::Resize { file, len } => {
                let Some(ino) = self.file(file) else { return };
                let change = Change { size: Some(len), ..Change::default() };
                self.volume.set_attributes(ino, change).expect("resized");
                let old = self.model.content[&ino].len() as u64;
                if len < old {
                    self.model.touch(ino, len..old);
                }
                self.model.content.get_mut(&ino).expect("known").resize(len as usize, 0);
            }
            Step::Remove(folder, number) => {
                let removed = self.volume.remove(self.folders[folder], &name(number), false);
                let ino = self.model.now.remove(&(folder, number));
                assert_eq!(removed.is_ok(), ino.is_some());
                if let Some(ino) = ino {
                    self.model.changed([ino, self.folder_ino(folder)]);
                }
            }
            Step::Rename { from, to } => self.rename(from, to),
            Step::Sync(file) => {
                let Some(ino) = self.file(file) else { return };
                self.volume.sync(ino, true).expect("synced");
                self.model.sync(ino);
            }
            Step::FailedSync(file) => {
                let Some(ino) = self.file(file) else { return };
                self.volume.behavior.set_failing(FailingSyncs::Next);
                self.volume.sync(ino, true).expect_err("made to fail");
                self.model.failed_sync(ino);
            }
            Step::SyncFolder(folder) => {
                self.volume.sync(self.folders[folder], false).expect("synced");
                self.model.sync(self.folder_ino(folder));
            }
            Step::Crash => {
                self.volume.crash(Survivors::None, &mut seeded(1)).expect("a crash");
                self.model.crash();
            }
        }
    }

    fn create(&mut self, folder: usize, number: u8) {
        let made = self.volume.create(self.folders[folder], &name(number), 0o644, true);
        assert_eq!(made.is_err(), self.model.now.contains_key(&(folder, number)));
        if let Ok(made) = made {
            self.model.now.insert((folder, number), made.ino);
            self.model.content.insert(made.ino, Vec::new());
            self.model.durable_content.insert(made.ino, Vec::new());
            self.model.touched.remove(&made.ino);
            self.model.given_up.remove(&made.ino);
            self.model.changed([made.ino, self.folder_ino(folder)]);
        }
    }

    fn write(&mut self, ino: u64, offset: u64, len: u64, byte: u8) {
        let data = vec![byte; len as usize];
        self.volume.write(ino, offset, &data).expect("written");
        let end = (offset + len) as usize;
        let content = self.model.content.get_mut(&ino).expect("known");
        if len > 0 {
            content.resize(content.len().max(end), 0);
            content[offset as usize..end].copy_from_slice(&data);
            self.model.touch(ino, offset..offset + len);
        }
    }

    fn rename(&mut self, from: (usize, u8), to: (usize, u8)) {
        let renamed = self.volume.rename(
            (self.folders[from.0], &name(from.1)),
            (self.folders[to.0], &name(to.1)),
            true,
        );
        assert_eq!(renamed.is_ok(), self.model.now.contains_key(&from));
        if renamed.is_ok() && from != to {
            let ino = self.model.now.remove(&from).expect("renamed");
            let replaced = self.model.now.insert(to, ino);
            let folders = [self.folder_ino(from.0), self.folder_ino(to.0)];
            self.model.changed([ino].into_iter().chain(folders).chain(replaced));
        }
    }

    fn check(&self) {
        for (folder, number) in (0..FOLDERS.len()).flat_map(|f| (0..4).map(move |n| (f, n))) {
            let found = self.volume.look_up(self.folders[folder], &name(number)).ok();
            let ino = self.model.now.get(&(folder, number)).copied();
            assert_eq!(found.as_ref().map(|node| node.ino), ino, "{folder}/{number}");
            if let Some((node, ino)) = found.zip(ino) {
                let content = node.read(0, 1 << 20).expect("read");
                assert!(content == self.model.content[&ino], "content of {folder}/{number}");
            }
        }
    }

    fn asides(&self) -> usize {
        let aside = self._folder.path().join("aside");
        entries(&File::open(aside).expect("a folder")).expect("entries").len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_crash_leaves_what_was_synced(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step);
            pair.check();
        }
        pair.run(&Step::Crash);
        pair.check();
        prop_assert_eq!(pair.asides(), 0);
    }
}

#[test]
fn torn_writes_survive_up_to_a_sector() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut pair = Pair::new();
        pair.create(0, 0);
        let ino = pair.file(0).expect("just made");
        pair.run(&Step::SyncFolder(0));
        pair.write(ino, 0, 1000, 1);
        pair.run(&Step::Sync(0));
        pair.write(ino, 1000, 1000, 2);
        pair.write(ino, 2000, 3000, 3);
        pair.volume.crash(Survivors::Torn, &mut seeded(seed)).expect("a crash");
        let content = pair.volume.node(ino).expect("known").read(0, 10_000).expect("read");
        let intact = content.iter().zip(&pair.model.content[&ino]).take_while(|(a, b)| a == b);
        let intact = intact.count();
        assert!(intact >= 1000, "what was synced is there");
        // Behind the cut, there is nothing, or zeros within the last synced length.
        assert!(content.len() <= intact.max(1000), "{intact} of {}", content.len());
        assert!(intact.is_multiple_of(512) || [1000, 5000].contains(&intact), "{intact}");
        seen.insert(intact);
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn some_blocks_survive_in_no_order() {
    let mut later_only = false;
    for seed in 0..50 {
        let mut pair = Pair::new();
        pair.create(0, 0);
        let ino = pair.file(0).expect("just made");
        pair.run(&Step::Sync(0));
        pair.write(ino, 0, 8192, 7);
        pair.volume.crash(Survivors::Some, &mut seeded(seed)).expect("a crash");
        let content = pair.volume.node(ino).expect("known").read(0, 10_000).expect("read");
        assert!(content.len().is_multiple_of(4096));
        later_only |= content.len() == 8192 && content[0] == 0 && content[4096] == 7;
    }
    assert!(later_only, "no seed lets the later block survive alone");
}
