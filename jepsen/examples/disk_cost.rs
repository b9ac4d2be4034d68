//! What a mounted disk adds to a write of 4 KiB with its sync, beside a plain folder.

use jepsen::disk::FaultyDisk;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 2_000;
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Median and 99th percentile of a write, and of its sync.
fn measure(folder: &Path) -> std::io::Result<[Duration; 4]> {
    let file =
        OpenOptions::new().create(true).truncate(true).write(true).open(folder.join("file"))?;
    for at in 0..FILE_BYTES / (1024 * 1024) {
        file.write_all_at(&vec![1; 1024 * 1024], at * 1024 * 1024)?;
    }
    file.sync_all()?;
    let (mut writes, mut syncs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let started = Instant::now();
        file.write_all_at(&[round as u8; 4096], round * 4096 % FILE_BYTES)?;
        writes.push(started.elapsed());
        let started = Instant::now();
        file.sync_data()?;
        syncs.push(started.elapsed());
    }
    writes.sort_unstable();
    syncs.sort_unstable();
    let at = |times: &[Duration], percent: usize| times[times.len() * percent / 100];
    Ok([at(&writes, 50), at(&writes, 99), at(&syncs, 50), at(&syncs, 99)])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let plain = folder.path().join("plain");
    std::fs::create_dir(&plain)?;
    let disk = FaultyDisk::mount(&folder.path().join("backing"), &folder.path().join("disk"), 1)?;
    for (name, at) in [("plain", plain.as_path()), ("mounted", disk.mountpoint())] {
        let [write, write_99, sync, sync_99] = measure(at)?;
        println!("{name:8} write {write:?} (p99 {write_99:?}) sync {sync:?} (p99 {sync_99:?})");
    }
    disk.unmount()?;
    Ok(())
}
