//! Changes of files' names that no sync of their folder has made durable.
//!
//! They are made at once. A file that loses its last name by one of them is kept aside, outside of the
//! folder, until the change is durable.

use super::survival::Survival;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The changes, in their order; paths are relative to the disk's folder.
#[derive(Debug)]
pub struct Names {
    aside: PathBuf,
    aside_count: u64,
    pending: Vec<(u64, Change)>,
}

#[derive(Debug)]
enum Change {
    Created { path: PathBuf, inode: u64 },
    Renamed { from: PathBuf, to: PathBuf, replaced: Option<PathBuf> },
    Linked { path: PathBuf },
    Removed { path: PathBuf, kept: PathBuf },
}

impl Change {
    /// The folder that has to be synced.
    fn dir(&self) -> &Path {
        let (Change::Created { path, .. }
        | Change::Renamed { to: path, .. }
        | Change::Linked { path }
        | Change::Removed { path, .. }) = self;
        path.parent().unwrap_or(Path::new(""))
    }

    fn undo(self, root: &Path) -> io::Result<()> {
        match self {
            Change::Created { path, .. } | Change::Linked { path } => {
                if_there(fs::remove_file(root.join(path)))
            }
            Change::Renamed { from, to, replaced } => {
                let to = root.join(to);
                if_there(fs::rename(&to, root.join(from)))?;
                replaced.map_or(Ok(()), |kept| if_there(fs::rename(kept, to)))
            }
            Change::Removed { path, kept } => if_there(fs::rename(kept, root.join(path))),
        }
    }

    /// Removes what was kept; the inode that is free then.
    fn settle(self) -> io::Result<Option<u64>> {
        let (Change::Renamed { replaced: Some(kept), .. } | Change::Removed { kept, .. }) = self
        else {
            return Ok(None);
        };
        let metadata = fs::metadata(&kept)?;
        fs::remove_file(kept)?;
        Ok((metadata.nlink() == 1).then_some(metadata.ino()))
    }
}

/// Code that does not know of the disk may have moved the file meanwhile.
fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

impl Names {
    /// `aside` is a folder that nothing else uses, on the same file system; it is made when needed.
    pub fn new(aside: PathBuf) -> Self {
        Names { aside, aside_count: 0, pending: Vec::new() }
    }

    /// Notes that a file was created.
    pub fn created(&mut self, operation: u64, path: PathBuf, inode: u64) {
        self.pending.push((operation, Change::Created { path, inode }));
    }

    /// Renames a file.
    pub fn rename(
        &mut self,
        operation: u64,
        root: &Path,
        from: PathBuf,
        to: PathBuf,
    ) -> io::Result<()> {
        fs::symlink_metadata(root.join(&from))?;
        let replaced = match self.keep(&root.join(&to)) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            kept => Some(kept?),
        };
        fs::rename(root.join(&from), root.join(&to))?;
        self.pending.push((operation, Change::Renamed { from, to, replaced }));
        Ok(())
    }

    /// Gives a file a second name.
    pub fn link(
        &mut self,
        operation: u64,
        root: &Path,
        path: &Path,
        also: PathBuf,
    ) -> io::Result<()> {
        fs::hard_link(root.join(path), root.join(&also))?;
        self.pending.push((operation, Change::Linked { path: also }));
        Ok(())
    }

    /// Removes a file.
    pub fn remove(&mut self, operation: u64, root: &Path, path: PathBuf) -> io::Result<()> {
        let kept = self.keep(&root.join(&path))?;
        self.pending.push((operation, Change::Removed { path, kept }));
        Ok(())
    }

    fn keep(&mut self, path: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.aside)?;
        let kept = self.aside.join(self.aside_count.to_string());
        fs::rename(path, &kept)?;
        self.aside_count += 1;
        Ok(kept)
    }

    /// Makes the changes in a folder durable; the inodes that are free then.
    pub fn sync_dir(&mut self, dir: &Path) -> io::Result<Vec<u64>> {
        let settled = self.pending.extract_if(.., |(_, change)| change.dir() == dir);
        settled.filter_map(|(_, change)| change.settle().transpose()).collect()
    }

    /// A file was synced. If that it was created is not durable yet, it is now, and with it all that
    /// the file system did before: it journals names in order.
    pub fn sync_file(&mut self, inode: u64) -> io::Result<Vec<u64>> {
        let is_creation =
            |change: &Change| matches!(change, Change::Created { inode: i, .. } if *i == inode);
        let Some(at) = self.pending.iter().rposition(|(_, change)| is_creation(change)) else {
            return Ok(Vec::new());
        };
        let settled = self.pending.drain(..=at);
        settled.filter_map(|(_, change)| change.settle().transpose()).collect()
    }

    /// The operations whose changes may be lost.
    pub fn pending(&self) -> Vec<u64> {
        self.pending.iter().map(|(operation, _)| *operation).collect()
    }

    /// Takes back what does not survive.
    pub fn lose_power(&mut self, root: &Path, survival: &mut Survival) -> io::Result<()> {
        let lost = self.pending.split_off(survival.names(&self.pending()));
        lost.into_iter().rev().try_for_each(|(_, change)| change.undo(root))?;
        self.pending.drain(..).try_for_each(|(_, change)| change.settle().map(drop))
    }

    /// Forgets everything: the folder is gone.
    pub fn wipe(&mut self) -> io::Result<()> {
        self.pending.clear();
        if_there(fs::remove_dir_all(&self.aside))
    }
}
