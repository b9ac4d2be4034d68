//! Where lines of the history go while it is made.

use crate::history::{Edn, Kind, Op, Process};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Writes each line once it is known, without syncing: a run whose harness crashed is no run.
pub struct Recorder {
    started: Instant,
    processes: AtomicU64,
    file: Mutex<Writer>,
}

struct Writer {
    next: u64,
    out: BufWriter<File>,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> io::Result<Recorder> {
        let out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let file = Mutex::new(Writer { next: 0, out, failed: None });
        Ok(Recorder { started: Instant::now(), processes: AtomicU64::new(0), file })
    }

    /// The number of a new client.
    pub fn new_process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// When the run began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Adds a line. An error of the file is told by [`Recorder::finish`].
    pub fn log(
        &self,
        process: Process,
        kind: Kind,
        f: &str,
        value: Edn,
        more: BTreeMap<String, Edn>,
    ) {
        let mut op = Op { index: 0, time_ns: 0, process, kind, f: f.to_owned(), value, more };
        let mut file = self.file.lock();
        // Within the lock: later lines have later times.
        op.time_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        op.index = file.next;
        file.next += 1;
        let written = writeln!(file.out, "{op}");
        if let Err(error) = written {
            file.failed.get_or_insert(error);
        }
    }

    /// Writes what is buffered; gives the number of lines.
    ///
    /// # Errors
    /// The first error of the file.
    pub fn finish(&self) -> io::Result<u64> {
        let mut file = self.file.lock();
        if let Some(error) = file.failed.take() {
            return Err(error);
        }
        file.out.flush()?;
        Ok(file.next)
    }
}
