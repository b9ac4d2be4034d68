//! The disk of one simulated member: real files in a folder, of which a power loss leaves what was
//! synced, and of the rest as much as a seed says.
//!
//! Changes are made in the real files at once, as the page cache makes them, and noted until they are
//! synced ([`contents`], [`names`]). A crash takes them back and lets some through ([`survival`]).
//! Syncing costs nothing: the folder may lie in memory.
//!
//! A member dies at an operation of its disk, or between two steps of the simulation. From then on
//! the disk refuses everything, and the folder has another name: what the doomed code still does to
//! files by itself does not reach it. Files that are written past the disk are taken to be durable.
//! Data files of an earlier life refuse everything; those of the log are plain ones, so whoever had
//! them open must be gone before the next life begins.

mod contents;
mod file;
#[cfg(test)]
mod log_tests;
mod names;
#[cfg(test)]
mod store_tests;
mod survival;
#[cfg(test)]
mod tests;

pub use survival::SECTOR_BYTES;

use contents::Contents;
use file::SimFile;
use names::Names;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reddwarf_raft::wal::Disk;
use reddwarf_storage::{DataFile, DataFiles};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use survival::Survival;

/// The system's number of an error that is the device's.
const EIO: i32 = 5;

/// Called when the member dies at an operation of its disk.
pub type OnDeath = Box<dyn Fn() + Send + Sync>;

/// See the module's text. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Shared>);

struct Shared {
    on_death: OnDeath,
    state: Mutex<State>,
}

struct State {
    folder: PathBuf,
    contents: Contents,
    names: Names,
    /// Writes, syncs and changes of lengths and names that were tried.
    operations: u64,
    /// How often the member was started anew.
    life: u64,
    dead: bool,
    /// The operation at which the member dies.
    crash_at: Option<u64>,
    full: bool,
    /// Whether the next sync fails, and the seed of what it leaves.
    failing_sync: Option<u64>,
    /// Whether something has failed in this life that a real disk might fail at.
    has_failed: bool,
}

/// What becomes of the operation at which the member dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    NotDone,
    /// It is under way: a crash decides what is left of it.
    Begun,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("SimDisk")
            .field("folder", &state.folder)
            .field("operations", &state.operations)
            .field("dead", &state.dead)
            .finish_non_exhaustive()
    }
}

fn lost_power() -> io::Error {
    io::Error::other("the machine has lost power")
}

fn is_full() -> io::Error {
    ErrorKind::StorageFull.into()
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `Ok` also when there is nothing.
fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// How the member goes on.
impl SimDisk {
    /// The disk whose files are in `folder`, which need not be there yet; so are its siblings
    /// `….dead` and `….aside`, which are the disk's own. `on_death` is called when the member dies as
    /// [`SimDisk::crash_at`] said, once a death, with nothing locked.
    pub fn new(folder: impl Into<PathBuf>, on_death: OnDeath) -> Self {
        let folder = folder.into();
        let state = State {
            names: Names::new(beside(&folder, ".aside")),
            folder,
            contents: Contents::default(),
            operations: 0,
            life: 0,
            dead: false,
            crash_at: None,
            full: false,
            failing_sync: None,
            has_failed: false,
        };
        SimDisk(Arc::new(Shared { on_death, state: Mutex::new(state) }))
    }

    /// Lets the member die at the `n`-th operation from now on, the next being the first. A write is
    /// then under way and may be torn; anything else is not done.
    pub fn crash_at(&self, n: u64) {
        let mut state = self.0.state.lock();
        state.crash_at = Some(state.operations + n.max(1));
    }

    /// The machine loses power now, unless the member is dead already.
    ///
    /// # Errors
    /// When the folder cannot be renamed.
    pub fn power_off(&self) -> io::Result<()> {
        self.0.state.lock().die()
    }

    /// The process is killed now; its machine goes on.
    ///
    /// # Errors
    /// When the folder cannot be renamed.
    pub fn kill(&self) -> io::Result<()> {
        self.0.state.lock().die()
    }

    /// Makes the disk usable for the member's next life, with what the power loss left.
    ///
    /// # Errors
    /// When the member is not dead, or the files cannot be changed.
    pub fn revive(&self, seed: u64) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.lose_power(seed)?;
        state.begin_life()
    }

    /// Like [`SimDisk::revive`] after a process has died by itself: all that it wrote is there, but
    /// still not synced.
    ///
    /// # Errors
    /// When the member is not dead, or the folder cannot be renamed.
    pub fn revive_without_loss(&self) -> io::Result<()> {
        self.0.state.lock().begin_life()
    }

    /// [`SimDisk::power_off`] and [`SimDisk::revive`].
    ///
    /// # Errors
    /// As theirs.
    pub fn crash(&self, seed: u64) -> io::Result<()> {
        self.power_off()?;
        self.revive(seed)
    }

    /// Empties the disk of a dead member: the next life begins with a new one.
    ///
    /// # Errors
    /// When the member is not dead, or the files cannot be removed.
    pub fn wipe(&self) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.must_be_dead()?;
        state.contents = Contents::default();
        state.names.wipe()?;
        remove_folder(&state.dead_folder())
    }

    /// Changes bytes of a file by itself, as the disk lies under the member: the new ones are given out
    /// of the file as it is, each with its place.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn rot(
        &self,
        file: &Path,
        change: impl FnOnce(&[u8]) -> Vec<(u64, Vec<u8>)>,
    ) -> io::Result<()> {
        let path = self.files().join(file);
        let (bytes, file) = (fs::read(&path)?, OpenOptions::new().write(true).open(&path)?);
        let mut changes = change(&bytes).into_iter();
        changes.try_for_each(|(offset, bytes)| file.write_all_at(&bytes, offset))
    }

    /// Where the files are now, also of a dead member.
    pub fn files(&self) -> PathBuf {
        let state = self.0.state.lock();
        if state.dead { state.dead_folder() } else { state.folder.clone() }
    }

    /// Whether the member has died and not begun its next life.
    pub fn is_dead(&self) -> bool {
        self.0.state.lock().dead
    }

    /// Operations so far, of all lives: writes, syncs and changes of lengths and names.
    pub fn operations(&self) -> u64 {
        self.0.state.lock().operations
    }

    /// Bytes that were written and not synced.
    pub fn unsynced_bytes(&self) -> u64 {
        self.0.state.lock().contents.unsynced_bytes()
    }

    /// Where the files are while the member lives.
    pub fn folder(&self) -> PathBuf {
        self.0.state.lock().folder.clone()
    }

    /// Whether the member may have met a failure of its disk in this life.
    pub fn has_failed(&self) -> bool {
        let state = self.0.state.lock();
        state.dead || state.full || state.has_failed
    }

    /// Nothing fails from now on.
    pub fn calm(&self) {
        let mut state = self.0.state.lock();
        (state.full, state.failing_sync, state.crash_at) = (false, None, None);
    }

    /// Takes all room, or gives it back. Without room nothing is preallocated, no file grows, and
    /// data files take no writes; the log's reserved space does.
    pub fn set_full(&self, full: bool) {
        self.0.state.lock().full = full;
    }

    /// Lets the next sync of a file fail. What it should have made durable is lost at the next power
    /// loss, and as `seed` says at once: Linux takes the pages for written, and may drop them.
    pub fn fail_next_sync(&self, seed: u64) {
        self.0.state.lock().failing_sync = Some(seed);
    }
}

/// What the member does.
impl SimDisk {
    /// See [`Disk::preallocate`].
    ///
    /// # Errors
    /// [`ErrorKind::StorageFull`] on a full disk; so with all others here where files grow. On a
    /// dead disk everything fails.
    pub fn preallocate(&self, path: &Path, len: u64) -> io::Result<File> {
        self.operate(None, Last::NotDone, |state| state.preallocate(path, len))
    }

    /// See [`Disk::write_at`].
    ///
    /// # Errors
    /// See [`SimDisk::preallocate`].
    pub fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.operate(None, Last::Begun, |state| {
            if state.full && offset + bytes.len() as u64 > file.metadata()?.len() {
                return Err(is_full());
            }
            state.contents.write(state.operations, file, offset, bytes)
        })
    }

    /// See [`Disk::sync`].
    ///
    /// # Errors
    /// As [`SimDisk::fail_next_sync`] says.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.operate(None, Last::NotDone, |state| state.sync(file))
    }

    /// Gives a file another name; durable once the folder is synced.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(None, Last::NotDone, |state| {
            let (from, to) = (state.relative(from)?, state.relative(to)?);
            state.names.rename(state.operations, &state.folder, from, to)
        })
    }

    /// Gives a file a second name; durable once the folder is synced.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when a file has it already.
    pub fn link(&self, path: &Path, also: &Path) -> io::Result<()> {
        self.operate(None, Last::NotDone, |state| {
            let (path, also) = (state.relative(path)?, state.relative(also)?);
            state.names.link(state.operations, &state.folder, &path, also)
        })
    }

    /// Removes a file; durable once the folder is synced.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(None, Last::NotDone, |state| {
            let path = state.relative(path)?;
            state.names.remove(state.operations, &state.folder, path)
        })
    }

    /// Makes changes of names in a folder durable.
    ///
    /// # Errors
    /// As the system has it.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(None, Last::NotDone, |state| {
            let dir = state.relative(dir)?;
            let free = state.names.sync_dir(&dir)?;
            free.into_iter().for_each(|inode| state.contents.forget(inode));
            Ok(())
        })
    }

    /// Opens a data file for the life that the member is in.
    fn open_file(&self, path: &Path) -> io::Result<SimFile> {
        let open = |options: &mut OpenOptions| options.read(true).write(true).open(path);
        let life = {
            let state = self.0.state.lock();
            state.check(None)?;
            state.life
        };
        let file = match open(&mut OpenOptions::new()) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.operate(Some(life), Last::NotDone, |state| {
                    let name = state.relative(path)?;
                    let file = open(OpenOptions::new().create_new(true))?;
                    state.names.created(state.operations, name, file.metadata()?.ino());
                    Ok(file)
                })?
            }
            opened => opened?,
        };
        Ok(SimFile::new(self.clone(), life, file))
    }

    /// Counts an operation and does it, unless the member is dead or dies of it. Whoever has a file
    /// open tells in which life it was opened.
    fn operate<T>(
        &self,
        life: Option<u64>,
        last: Last,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.state.lock();
        state.check(life)?;
        state.operations += 1;
        if state.crash_at != Some(state.operations) {
            return act(&mut state);
        }
        if last == Last::Begun {
            // Nobody learns what would have been answered.
            drop(act(&mut state));
        }
        let died = state.die();
        drop(state);
        (self.0.on_death)();
        died.and(Err(lost_power()))
    }
}

impl State {
    fn check(&self, life: Option<u64>) -> io::Result<()> {
        let current = life.is_none_or(|life| life == self.life);
        if self.dead || !current { Err(lost_power()) } else { Ok(()) }
    }

    fn must_be_dead(&self) -> io::Result<()> {
        if self.dead { Ok(()) } else { Err(io::Error::other("the member is alive")) }
    }

    fn dead_folder(&self) -> PathBuf {
        beside(&self.folder, ".dead")
    }

    fn die(&mut self) -> io::Result<()> {
        if self.dead {
            return Ok(());
        }
        (self.dead, self.crash_at, self.failing_sync) = (true, None, None);
        match fs::rename(&self.folder, self.dead_folder()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    fn lose_power(&mut self, seed: u64) -> io::Result<()> {
        self.must_be_dead()?;
        let mut pending: Vec<u64> = self.contents.pending().chain(self.names.pending()).collect();
        pending.sort_unstable();
        let mut survival = Survival::new(seed, &pending);
        self.contents.lose_power(&mut survival)?;
        let root = self.dead_folder();
        self.names.lose_power(&root, &mut survival)
    }

    fn begin_life(&mut self) -> io::Result<()> {
        self.must_be_dead()?;
        // What the doomed code has made there meanwhile.
        remove_folder(&self.folder)?;
        match fs::rename(self.dead_folder(), &self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        (self.dead, self.has_failed) = (false, false);
        self.life += 1;
        Ok(())
    }

    fn relative(&self, path: &Path) -> io::Result<PathBuf> {
        let outside = |_| io::Error::new(ErrorKind::InvalidInput, "a path outside of the disk");
        path.strip_prefix(&self.folder).map(Path::to_owned).map_err(outside)
    }

    fn preallocate(&mut self, path: &Path, len: u64) -> io::Result<File> {
        let name = self.relative(path)?;
        if self.full {
            return Err(is_full());
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        // A hole reads as the zeros that a real disk reserves, and costs nothing.
        file.set_len(len)?;
        let inode = file.metadata()?.ino();
        self.contents.forget(inode);
        self.names.created(self.operations, name, inode);
        self.settle_names(inode)?;
        Ok(file)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        if let Some(seed) = self.failing_sync.take() {
            let evicted = StdRng::seed_from_u64(seed).random();
            self.has_failed = true;
            self.contents.lose(file, evicted)?;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.contents.sync(file)?;
        self.settle_names(file.metadata()?.ino())
    }

    fn settle_names(&mut self, synced: u64) -> io::Result<()> {
        let free = self.names.sync_file(synced)?;
        free.into_iter().for_each(|inode| self.contents.forget(inode));
        Ok(())
    }
}

impl Disk for SimDisk {
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<File> {
        SimDisk::preallocate(self, path, len)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        SimDisk::write_at(self, file, offset, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        SimDisk::sync(self, file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SimDisk::rename(self, from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SimDisk::remove(self, path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SimDisk::sync_dir(self, dir)
    }
}

impl DataFiles for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Option<Box<dyn DataFile>>> {
        Ok(Some(Box::new(self.open_file(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SimDisk::rename(self, from, to)
    }

    fn link(&self, path: &Path, also: &Path) -> io::Result<()> {
        SimDisk::link(self, path, also)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SimDisk::remove(self, path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SimDisk::sync_dir(self, dir)
    }
}
