//! Putting another member's state in the place of this one's, while the member runs.
//!
//! Raft is told nothing: it goes on at the entry that was applied last. The fetched state stands at
//! some earlier entry; what follows it is applied to it out of this member's own log, so that both
//! states stand at the same entry and can be compared.

use crate::machine::{MachineParts, apply_one, check_level};
use crate::peer::Fetched;
use crate::roots::RecentRoots;
use crate::types::Entry;
use crate::wal::Wal;
use openraft::entry::RaftEntry;
use reddwarf_core::BranchId;
use reddwarf_storage::{Loaded, PersistBatch, Received};
use reddwarf_versioning::{ChangeWindow, State};
use std::io;
use std::sync::Arc;

/// Entries that are applied out of the log at a time.
const ENTRIES: u64 = 256;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The entry at which the state stands.
    pub index: u64,
    /// Whether memory held the same state already: then only the file was replaced.
    pub same: bool,
}

/// Replaces the file, and what is in memory if that differs.
///
/// # Errors
/// When this member has not applied as much as the fetched state holds, its log does not reach back
/// to it, or the file cannot be put in place.
pub async fn replace(
    machine: &Arc<MachineParts>,
    wal: Arc<Wal>,
    fetched: Fetched,
) -> io::Result<Replaced> {
    let parts = Arc::clone(machine);
    let turn = Arc::clone(&machine.turn).lock_owned().await;
    let replaced = machine.work.spawn(move || {
        let _turn = turn;
        let Fetched { received, loaded } = fetched;
        let caught_up = CaughtUp::new(&parts, &wal, loaded)?;
        caught_up.put_in_place(&parts, &received)
    });
    let replaced = replaced.await.map_err(io::Error::other)??;
    // The new file lacks what was applied out of the log.
    machine.flush().await?;
    Ok(replaced)
}

/// The fetched state at the entry that this member applied last.
struct CaughtUp {
    state: State,
    window: ChangeWindow,
    roots: RecentRoots,
    /// What the fetched file lacks.
    batches: Vec<PersistBatch>,
}

impl CaughtUp {
    fn new(machine: &MachineParts, wal: &Wal, loaded: Loaded) -> io::Result<Self> {
        let Loaded { state, window, .. } = loaded;
        let mut new =
            CaughtUp { state, window, roots: RecentRoots::default(), batches: Vec::new() };
        let goal = machine.state.lock().applied().index;
        let mut at = new.state.applied().index;
        if at > goal {
            return Err(io::Error::other("this member has not applied as much yet"));
        }
        new.roots.push(at, new.state.root());
        while at < goal {
            let entries = wal.read(at + 1..goal.min(at + ENTRIES) + 1)?;
            if entries.first().is_none_or(|entry| entry.index() != at + 1) {
                return Err(io::Error::other(format!("the log holds no entry {}", at + 1)));
            }
            at += entries.len() as u64;
            new.apply(entries)?;
        }
        Ok(new)
    }

    fn apply(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        let mut applied = Vec::new();
        for entry in entries {
            let index = entry.index();
            let step = apply_one(&mut self.state, entry)?;
            self.roots.push(index, self.state.root());
            let commit = step.applied.as_ref().and_then(|applied| applied.commit.as_ref());
            if let Some(commit) = commit.filter(|commit| commit.branch == BranchId::MAIN) {
                self.window.push(commit.branch, &commit.events, |_| ());
            }
            applied.extend(step.applied);
        }
        self.batches.push(PersistBatch { applied, checkpoint: self.state.checkpoint() });
        Ok(())
    }

    fn put_in_place(self, machine: &MachineParts, received: &Received) -> io::Result<Replaced> {
        let index = self.state.applied().index;
        check_level(&self.state, machine.store.options().levels)?;
        let same = self.state.root() == machine.state.lock().root();
        let swap = &mut || received.install_for_damaged(&machine.store);
        machine.persist.install(swap).map_err(io::Error::other)?;
        self.batches.into_iter().for_each(|batch| machine.persist.submit(batch));
        if !same {
            machine.fanout.reset(self.state.view(), self.window);
            machine.note_level(&self.state);
            *machine.state.lock() = self.state;
            *machine.roots.lock() = self.roots;
        }
        Ok(Replaced { index, same })
    }
}
