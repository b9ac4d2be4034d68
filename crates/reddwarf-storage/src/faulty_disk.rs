//! A disk in memory under redb that fails when told to and forgets what was not synced.

use parking_lot::Mutex;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Shared, so that a test keeps hold of the disk that the database writes to.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    content: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    operations: u64,
    /// Operations in this range fail.
    failing: std::ops::Range<u64>,
    failure: Option<ErrorKind>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

fn make(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => content.resize(*length as usize, 0),
        Change::Write(at, data) => {
            let at = *at as usize;
            if content.len() < at + data.len() {
                content.resize(at + data.len(), 0);
            }
            content[at..at + data.len()].copy_from_slice(data);
        }
    }
}

impl Inner {
    fn count(&mut self) -> Result<()> {
        self.operations += 1;
        match self.failure {
            Some(kind) if self.failing.contains(&self.operations) => Err(Error::from(kind)),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> Result<()> {
        self.count()?;
        make(&mut self.content, &change);
        self.unsynced.push(change);
        Ok(())
    }
}

impl FaultyDisk {
    /// Makes the writing operations within a range fail, counted from now, one first.
    pub(crate) fn fail(&self, range: std::ops::Range<u64>, kind: ErrorKind) {
        let mut inner = self.0.lock();
        inner.operations = 0;
        inner.failing = range;
        inner.failure = Some(kind);
    }

    /// How many writing operations there were since the last [`FaultyDisk::fail`].
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The disk after the machine lost power: what was synced, and of the later writes some,
    /// whole or in part, as `seed` says.
    pub(crate) fn crash(&self, seed: u64) -> FaultyDisk {
        let inner = self.0.lock();
        let mut content = inner.synced.clone();
        let mut random = seed;
        for change in &inner.unsynced {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            match (random >> 60, change) {
                (0..6, _) => {}
                (6..8, Change::Write(at, data)) => {
                    let half = data[..data.len() / 2].to_vec();
                    make(&mut content, &Change::Write(*at, half));
                }
                _ => make(&mut content, change),
            }
        }
        let synced = content.clone();
        FaultyDisk(Arc::new(Mutex::new(Inner { content, synced, ..Inner::default() })))
    }
}

impl redb::StorageBackend for FaultyDisk {
    fn len(&self) -> Result<u64> {
        Ok(self.0.lock().content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let inner = self.0.lock();
        let at = offset as usize;
        let found = inner.content.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.0.lock().change(Change::Length(len))
    }

    fn sync_data(&self) -> Result<()> {
        let mut inner = self.0.lock();
        inner.count()?;
        let Inner { synced, unsynced, .. } = &mut *inner;
        unsynced.drain(..).for_each(|change| make(synced, &change));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.lock().change(Change::Write(offset, data.to_vec()))
    }
}
