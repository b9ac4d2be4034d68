//! A backing folder as the kernel sees it through FUSE.

use super::behavior::{Behavior, Verdict};
use super::counters::{Counting, Lost};
use super::names::{COMMIT_AGE, Names, Place, Undone};
use super::node::Node;
use super::survivors::{Choice, Survivors};
use super::unsynced::SyncEnd;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The root's number.
pub const ROOT: u64 = 1;

/// A node and how often the kernel has been told of it.
#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    lookups: u64,
}

/// A backing folder, its unsynced changes and its present behaviour.
#[derive(Debug)]
pub struct Volume {
    root: Arc<Node>,
    known: Mutex<HashMap<u64, Known>>,
    names: Mutex<Names>,
    pub(super) behavior: Behavior,
    pub(super) counters: Counting,
}

/// What a crash changed.
#[derive(Debug, Default)]
pub struct Crashed {
    /// How much.
    pub lost: Lost,
    /// Numbers of the files whose content or length may be another one.
    pub files: Vec<u64>,
    /// What happened to names.
    pub names: Undone,
}

/// Which attributes to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Length.
    pub size: Option<u64>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Times of access and modification.
    pub times: Option<rustix::fs::Timestamps>,
}

impl Volume {
    /// Serves the folder `data`; what is removed lies in `aside`, on the same file system, until
    /// its removal is durable.
    ///
    /// # Errors
    /// They cannot be opened.
    pub fn open(data: &Path, aside: &Path, random: StdRng) -> io::Result<Volume> {
        let open = |path| Ok::<_, io::Error>(Arc::new(Node::new(File::open(path)?)?));
        Ok(Volume {
            root: open(data)?,
            known: Mutex::default(),
            names: Mutex::new(Names::new(open(aside)?)),
            behavior: Behavior::new(random),
            counters: Counting::default(),
        })
    }

    /// The node of a number that the kernel was told.
    ///
    /// # Errors
    /// `ESTALE`: it is not known.
    pub fn node(&self, ino: u64) -> io::Result<Arc<Node>> {
        if ino == ROOT {
            return Ok(Arc::clone(&self.root));
        }
        let known = self.known.lock();
        let found = known.get(&ino).map(|known| Arc::clone(&known.node));
        found.ok_or(Errno::STALE.into())
    }

    /// The kernel's number of a node.
    pub fn number_of(&self, node: &Arc<Node>) -> u64 {
        if Arc::ptr_eq(node, &self.root) { ROOT } else { node.ino }
    }

    /// Tells the kernel of what is called `name`.
    ///
    /// # Errors
    /// As the system has it.
    pub fn look_up(&self, dir: u64, name: &OsStr) -> io::Result<Arc<Node>> {
        let dir = self.node(dir)?;
        // With the names held, none of them is removed and its number given away meanwhile.
        let _names = self.names.lock();
        Ok(self.tell(Node::open(&dir, name)?))
    }

    fn tell(&self, node: Node) -> Arc<Node> {
        let mut known = self.known.lock();
        let ino = node.ino;
        let known = known.entry(ino).or_insert_with(|| Known { node: Arc::new(node), lookups: 0 });
        known.lookups += 1;
        Arc::clone(&known.node)
    }

    /// The kernel has forgotten that it was told so often.
    pub fn forget(&self, ino: u64, lookups: u64) {
        let mut known = self.known.lock();
        let Some(entry) = known.get_mut(&ino) else { return };
        entry.lookups = entry.lookups.saturating_sub(lookups);
        // What a crash would change stays, for its file must be open then.
        if entry.lookups == 0 && entry.node.is_clean() {
            known.remove(&ino);
        }
    }

    /// Makes a file, or finds the one that is there.
    ///
    /// # Errors
    /// As the system has it; `EEXIST` when there is one and it must be `new`.
    pub fn create(&self, dir: u64, name: &OsStr, mode: u32, new: bool) -> io::Result<Arc<Node>> {
        let at = Place::new(&self.node(dir)?, name);
        let made = self.change_names(|names| names.make_file(at.clone(), mode));
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !new => {
                self.look_up(dir, name)
            }
            other => Ok(self.tell(other?)),
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the system has it.
    pub fn make_dir(&self, dir: u64, name: &OsStr, mode: u32) -> io::Result<Arc<Node>> {
        let at = Place::new(&self.node(dir)?, name);
        Ok(self.tell(self.change_names(|names| names.make_dir(at.clone(), mode))?))
    }

    /// Removes a file, or an empty folder.
    ///
    /// # Errors
    /// As the system has it.
    pub fn remove(&self, dir: u64, name: &OsStr, is_dir: bool) -> io::Result<()> {
        let at = Place::new(&self.node(dir)?, name);
        self.change_names(|names| names.remove(at.clone(), is_dir))
    }

    /// Renames.
    ///
    /// # Errors
    /// As the system has it.
    pub fn rename(&self, from: (u64, &OsStr), to: (u64, &OsStr), replace: bool) -> io::Result<()> {
        let from = Place::new(&self.node(from.0)?, from.1);
        let to = Place::new(&self.node(to.0)?, to.1);
        self.change_names(|names| names.rename(from.clone(), to.clone(), replace))
    }

    fn change_names<T>(
        &self,
        mut change: impl FnMut(&mut Names) -> io::Result<T>,
    ) -> io::Result<T> {
        self.commit_older(COMMIT_AGE)?;
        self.with_room(|| change(&mut self.names.lock()))
    }

    /// Writes.
    ///
    /// # Errors
    /// As the system has it.
    pub fn write(&self, ino: u64, offset: u64, data: &[u8]) -> io::Result<()> {
        let node = self.node(ino)?;
        self.with_room(|| node.write(offset, data))?;
        self.counters.wrote(data.len());
        Ok(())
    }

    /// Reserves space.
    ///
    /// # Errors
    /// As the system has it.
    pub fn allocate(&self, ino: u64, offset: u64, len: u64, flags: i32) -> io::Result<()> {
        let node = self.node(ino)?;
        let flags = FallocateFlags::from_bits_retain(flags as u32);
        self.with_room(|| node.allocate(offset, len, flags))
    }

    /// Tries again without what only waits for its removal, as ext4 does, before it says that
    /// there is no room.
    fn with_room<T>(&self, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        let mut result = attempt();
        if result.as_ref().is_err_and(is_full) {
            self.commit_older(Duration::ZERO)?;
            result = attempt();
        }
        if result.as_ref().is_err_and(is_full) {
            self.counters.refused_full();
        }
        result
    }

    fn commit_older(&self, age: Duration) -> io::Result<()> {
        let gone = self.names.lock().commit_older(age)?;
        self.give_up(&gone);
        Ok(())
    }

    /// Forgets files without a name that nobody has open.
    fn give_up(&self, gone: &[u64]) {
        let mut known = self.known.lock();
        for ino in gone {
            if known.get(ino).is_some_and(|known| known.lookups == 0) {
                known.remove(ino);
            }
        }
    }

    /// Changes attributes.
    ///
    /// # Errors
    /// As the system has it.
    pub fn set_attributes(&self, ino: u64, change: Change) -> io::Result<Arc<Node>> {
        let node = self.node(ino)?;
        if let Some(size) = change.size {
            self.with_room(|| node.resize(size))?;
        }
        if let Some(mode) = change.mode {
            let mode = rustix::fs::Mode::from_raw_mode(mode & 0o7777);
            rustix::fs::fchmod(&node.file, mode)?;
        }
        if change.uid.is_some() || change.gid.is_some() {
            let uid = change.uid.map(rustix::fs::Uid::from_raw);
            let gid = change.gid.map(rustix::fs::Gid::from_raw);
            rustix::fs::fchown(&node.file, uid, gid)?;
        }
        if let Some(times) = change.times {
            rustix::fs::futimens(&node.file, &times)?;
        }
        Ok(node)
    }

    /// Makes durable what was written to a file before, and the names that it concerns.
    ///
    /// # Errors
    /// As the system, or the fault, has it.
    pub fn sync(&self, ino: u64, data_only: bool) -> io::Result<()> {
        let node = self.node(ino)?;
        let position = self.names.lock().position();
        node.sync(|file| self.sync_backing(file, data_only))?;
        let gone = self.names.lock().commit(node.ino, position)?;
        self.give_up(&gone);
        Ok(())
    }

    fn sync_backing(&self, file: &File, data_only: bool) -> (SyncEnd, io::Result<()>) {
        let delay = self.behavior.wait();
        let verdict = self.behavior.verdict();
        self.counters.synced(delay, matches!(verdict, Verdict::Fails(_)));
        match verdict {
            Verdict::Fails(error) => return (SyncEnd::GivenUp, Err(error)),
            Verdict::Cut(error) => return (SyncEnd::Cut, Err(error)),
            Verdict::Done => {}
        }
        let synced = if data_only { file.sync_data() } else { file.sync_all() };
        if let Some(error) = self.behavior.cut() {
            return (SyncEnd::Cut, Err(error));
        }
        let end = if synced.is_ok() { SyncEnd::Durable } else { SyncEnd::GivenUp };
        (end, synced)
    }

    /// Room on the backing file system; what was removed lately still takes some.
    ///
    /// # Errors
    /// As the system has it.
    pub fn room(&self) -> io::Result<rustix::fs::StatVfs> {
        self.commit_older(COMMIT_AGE)?;
        Ok(rustix::fs::fstatvfs(&self.root.file)?)
    }

    /// Makes all that was done durable, as time does.
    ///
    /// # Errors
    /// As the system has it.
    pub fn settle(&self) -> io::Result<()> {
        self.known.lock().values().for_each(|known| known.node.write_back());
        self.commit_older(Duration::ZERO)
    }

    /// Takes back what no sync made durable. Nobody may use the volume meanwhile.
    ///
    /// # Errors
    /// Those of the backing files; the volume is then in between.
    pub fn crash(&self, survivors: Survivors, random: &mut StdRng) -> io::Result<Crashed> {
        let mut names = self.names.lock();
        let mut known = self.known.lock();
        let mut choice = Choice::new(survivors, random);
        let mut crashed = Crashed::default();
        let mut files: Vec<_> = known.values().map(|known| Arc::clone(&known.node)).collect();
        files.retain(|node| !node.is_clean());
        // In an order that a seed repeats.
        files.sort_by_key(|node| node.ino);
        for node in files {
            let dropped = node.crash(&mut choice)?;
            crashed.lost.files += u64::from(dropped.bytes > 0);
            crashed.lost.bytes += dropped.bytes;
            crashed.lost.survived_bytes += dropped.survived_bytes;
            crashed.files.push(node.ino);
        }
        let kept = choice.of_names(names.pending());
        crashed.names = names.crash(kept)?;
        crashed.lost.names = crashed.names.changes;
        known.retain(|_, known| known.lookups > 0);
        self.counters.crashed(crashed.lost);
        Ok(crashed)
    }
}

#[cfg(test)]
#[path = "volume_tests.rs"]
mod tests;
