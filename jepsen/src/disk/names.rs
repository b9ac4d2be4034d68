//! Names in folders, and what a crash takes back from them.
//!
//! Changes take effect at once and are kept in one list, as in a file system's journal; what a
//! name stood for is moved aside, not removed, until the removal is durable.

use super::node::Node;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Age at which a change becomes durable by itself, as ext4's journal does by default.
pub const COMMIT_AGE: Duration = Duration::from_secs(5);

/// A place for a name.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder.
    pub dir: Arc<Node>,
    /// The name in it.
    pub name: OsString,
}

impl Place {
    /// `name` in `dir`.
    pub fn new(dir: &Arc<Node>, name: &OsStr) -> Place {
        Place { dir: Arc::clone(dir), name: name.to_owned() }
    }

    fn rename_to(&self, to: &Place) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.dir.file, &self.name, &to.dir.file, &to.name)?)
    }
}

/// Something that has no name any more, and may get it back.
#[derive(Debug)]
struct Aside {
    ino: u64,
    is_dir: bool,
    /// Where it lies meanwhile.
    name: OsString,
}

#[derive(Debug)]
enum Change {
    Made { at: Place, ino: u64, is_dir: bool },
    Removed { at: Place, aside: Aside },
    Renamed { from: Place, to: Place, ino: u64, replaced: Option<Aside> },
}

impl Change {
    /// Whether a sync of `ino` has to make it durable.
    fn concerns(&self, ino: u64) -> bool {
        match self {
            Change::Made { at, ino: made, .. } => *made == ino || at.dir.ino == ino,
            Change::Removed { at, aside } => aside.ino == ino || at.dir.ino == ino,
            Change::Renamed { from, to, ino: moved, replaced } => {
                let replaced = replaced.as_ref().is_some_and(|aside| aside.ino == ino);
                *moved == ino || replaced || from.dir.ino == ino || to.dir.ino == ino
            }
        }
    }
}

/// The changes of names that are not durable yet.
#[derive(Debug)]
pub struct Names {
    /// The folder of what is moved aside.
    aside: Arc<Node>,
    asides: u64,
    changes: VecDeque<(u64, Instant, Change)>,
    next: u64,
}

/// What a crash changed, so that the kernel's caches can be told.
#[derive(Debug, Default)]
pub struct Undone {
    /// How many changes.
    pub changes: u64,
    /// The names that may stand for something else now.
    pub places: Vec<Place>,
}

impl Names {
    /// Moves things aside into the folder `aside`.
    pub fn new(aside: Arc<Node>) -> Names {
        Names { aside, asides: 0, changes: VecDeque::new(), next: 0 }
    }

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// As the system has it.
    pub fn make_file(&mut self, at: Place, mode: u32) -> io::Result<Node> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&at.dir.file, &at.name, flags, Mode::RUSR | Mode::WUSR)?;
        let node = Node::new(file.into())?;
        self.made(at, &node, mode)?;
        Ok(node)
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the system has it.
    pub fn make_dir(&mut self, at: Place, mode: u32) -> io::Result<Node> {
        rustix::fs::mkdirat(&at.dir.file, &at.name, Mode::RWXU)?;
        let node = Node::open(&at.dir, &at.name)?;
        self.made(at, &node, mode)?;
        Ok(node)
    }

    fn made(&mut self, at: Place, node: &Node, mode: u32) -> io::Result<()> {
        self.log(Change::Made { at, ino: node.ino, is_dir: node.is_dir });
        // The kernel has applied the caller's umask; this process' own is no business of his.
        Ok(rustix::fs::fchmod(&node.file, Mode::from_raw_mode(mode & 0o7777))?)
    }

    /// Removes a file, or an empty folder.
    ///
    /// # Errors
    /// As the system has it.
    pub fn remove(&mut self, at: Place, is_dir: bool) -> io::Result<()> {
        let node = Node::open(&at.dir, &at.name)?;
        match (node.is_dir, is_dir) {
            (true, false) => return Err(Errno::ISDIR.into()),
            (false, true) => return Err(Errno::NOTDIR.into()),
            (true, true) if !is_empty(&node.file)? => return Err(Errno::NOTEMPTY.into()),
            _ => {}
        }
        let aside = self.move_aside(&at, &node)?;
        self.log(Change::Removed { at, aside });
        Ok(())
    }

    /// Renames, in the place of what `to` stood for; nothing happens when that is the same file.
    ///
    /// # Errors
    /// As the system has it; `EEXIST` when `to` exists and may not be replaced.
    pub fn rename(&mut self, from: Place, to: Place, replace: bool) -> io::Result<()> {
        let node = Node::open(&from.dir, &from.name)?;
        let target = match Node::open(&to.dir, &to.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        if let Some(target) = &target {
            match (node.is_dir, target.is_dir) {
                _ if !replace => return Err(Errno::EXIST.into()),
                _ if node.ino == target.ino => return Ok(()),
                (false, true) => return Err(Errno::ISDIR.into()),
                (true, false) => return Err(Errno::NOTDIR.into()),
                (true, true) if !is_empty(&target.file)? => return Err(Errno::NOTEMPTY.into()),
                _ => {}
            }
        }
        let replaced = target.map(|target| self.move_aside(&to, &target)).transpose()?;
        if let Err(error) = from.rename_to(&to) {
            if let Some(aside) = replaced {
                self.place_of(&aside).rename_to(&to)?;
            }
            return Err(error);
        }
        self.log(Change::Renamed { from, to, ino: node.ino, replaced });
        Ok(())
    }

    fn move_aside(&mut self, at: &Place, node: &Node) -> io::Result<Aside> {
        self.asides += 1;
        let name = OsString::from(self.asides.to_string());
        let aside = Aside { ino: node.ino, is_dir: node.is_dir, name };
        at.rename_to(&self.place_of(&aside))?;
        Ok(aside)
    }

    fn place_of(&self, aside: &Aside) -> Place {
        Place::new(&self.aside, &aside.name)
    }

    fn log(&mut self, change: Change) {
        self.changes.push_back((self.next, Instant::now(), change));
        self.next += 1;
    }

    /// The number of the next change: a sync that begins now concerns those below it.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Makes durable all changes below `position` up to the last one that concerns `ino`. Gives
    /// the numbers of files that can come back no more.
    ///
    /// # Errors
    /// Those of removing what lay aside.
    pub fn commit(&mut self, ino: u64, position: u64) -> io::Result<Vec<u64>> {
        let concerned = |(number, _, change): &(u64, Instant, Change)| {
            *number < position && change.concerns(ino)
        };
        let count = self.changes.iter().rposition(concerned).map_or(0, |at| at + 1);
        self.commit_first(count)
    }

    /// The same for the changes of some `age`.
    ///
    /// # Errors
    /// Those of removing what lay aside.
    pub fn commit_older(&mut self, age: Duration) -> io::Result<Vec<u64>> {
        let count = self.changes.iter().take_while(|(_, at, _)| at.elapsed() >= age).count();
        self.commit_first(count)
    }

    fn commit_first(&mut self, count: usize) -> io::Result<Vec<u64>> {
        let mut gone = Vec::new();
        for (_, _, change) in self.changes.drain(..count) {
            let aside = match change {
                Change::Removed { aside, .. } => Some(aside),
                Change::Renamed { replaced, .. } => replaced,
                Change::Made { .. } => None,
            };
            if let Some(aside) = aside {
                let flags = if aside.is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                rustix::fs::unlinkat(&self.aside.file, &aside.name, flags)?;
                gone.push(aside.ino);
            }
        }
        Ok(gone)
    }

    /// How many changes are not durable.
    pub fn pending(&self) -> usize {
        self.changes.len()
    }

    /// Takes back all changes but the first `kept`, which become durable.
    ///
    /// # Errors
    /// Those of renaming and removing; the rest is then as it was.
    pub fn crash(&mut self, kept: usize) -> io::Result<Undone> {
        self.commit_first(kept.min(self.changes.len()))?;
        let mut undone = Undone::default();
        while let Some((_, _, change)) = self.changes.pop_back() {
            self.undo(change, &mut undone.places)?;
            undone.changes += 1;
        }
        Ok(undone)
    }

    fn undo(&self, change: Change, places: &mut Vec<Place>) -> io::Result<()> {
        match change {
            Change::Made { at, is_dir, .. } => {
                let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                rustix::fs::unlinkat(&at.dir.file, &at.name, flags)?;
                places.push(at);
            }
            Change::Removed { at, aside } => {
                self.place_of(&aside).rename_to(&at)?;
                places.push(at);
            }
            Change::Renamed { from, to, replaced, .. } => {
                to.rename_to(&from)?;
                if let Some(aside) = replaced {
                    self.place_of(&aside).rename_to(&to)?;
                }
                places.extend([from, to]);
            }
        }
        Ok(())
    }
}

/// An entry of a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Number of what it names.
    pub ino: u64,
    /// Whether that is a folder.
    pub is_dir: bool,
    /// Its name.
    pub name: OsString,
}

/// What a folder holds, without `.` and `..`.
///
/// # Errors
/// As the system has it.
pub fn entries(dir: &File) -> io::Result<Vec<Entry>> {
    use std::os::unix::ffi::OsStrExt;
    // Opened anew: the position of an open folder is shared.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut reader = RawDir::new(&dir, &mut buffer);
    let mut found = Vec::new();
    while let Some(entry) = reader.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            let is_dir = entry.file_type() == rustix::fs::FileType::Directory;
            found.push(Entry { ino: entry.ino(), is_dir, name });
        }
    }
    Ok(found)
}

fn is_empty(dir: &File) -> io::Result<bool> {
    Ok(entries(dir)?.is_empty())
}
