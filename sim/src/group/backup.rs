//! Backups that members make, read as whoever restores them would.

use super::front::Seen;
use super::machine::Machine;
use super::process::CLUSTER;
use crate::clients::collections;
use reddwarf_core::Collection;
use reddwarf_raft::{BackupFailure, Node};
use reddwarf_storage::{RedbStore, StoreOptions, load};
use reddwarf_versioning::WindowLimits;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a backup shows of each collection.
pub type Saved = Vec<(Collection, Seen)>;

/// Lets a member make a backup, beside its disk; `None` when it cannot now.
pub async fn back_up(machine: &Machine, node: &Node) -> Option<Result<Saved, String>> {
    // Whoever asked may have given up one that is still being made.
    static MADE: AtomicU64 = AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let path = machine.dir.with_extension(format!("backup-{made}"));
    let made = match node.write_backup(&path).await {
        Ok(_) => read(&path).map_err(|error| error.to_string()),
        Err(BackupFailure::File(error)) => Err(error.to_string()),
        Err(BackupFailure::Unavailable(_) | BackupFailure::Read(_)) => return None,
    };
    std::fs::remove_file(&path).ok();
    Some(made)
}

fn read(path: &Path) -> Result<Saved, Box<dyn Error>> {
    let store = RedbStore::open(path, StoreOptions::new(CLUSTER))?;
    let view = load(&store, WindowLimits::default())?.state.view();
    let saved = collections().into_iter().map(|one| (one.clone(), Seen::of(&view, &one)));
    Ok(saved.collect())
}
