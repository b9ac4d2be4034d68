//! A data file that a member has open.

use super::{Last, SimDisk, is_full};
use reddwarf_storage::DataFile;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file of one life of its member: the next one's files do not change by it.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    life: u64,
    file: File,
}

impl SimFile {
    pub fn new(disk: SimDisk, life: u64, file: File) -> Self {
        SimFile { disk, life, file }
    }

    fn check(&self) -> io::Result<()> {
        self.disk.0.state.lock().check(Some(self.life))
    }
}

impl DataFile for SimFile {
    fn len_bytes(&self) -> io::Result<u64> {
        self.check()?;
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check()?;
        self.file.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.operate(Some(self.life), Last::Begun, |state| {
            if state.full {
                return Err(is_full());
            }
            state.contents.write(state.operations, &self.file, offset, bytes)
        })
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.disk.operate(Some(self.life), Last::NotDone, |state| {
            if state.full && len_bytes > self.file.metadata()?.len() {
                return Err(is_full());
            }
            state.contents.set_len(state.operations, &self.file, len_bytes)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.operate(Some(self.life), Last::NotDone, |state| state.sync(&self.file))
    }
}
