//! Whether the log and the durable state of a data folder belong together (invariants 14, 16).

use crate::error::StartError;
use crate::types::{LogId, log_id};
use crate::wal::Wal;
use openraft::entry::RaftEntry;
use reddwarf_versioning::Checkpoint;
use std::path::Path;

/// The newest entry in the state; `None` before the first.
pub fn applied_of(checkpoint: &Checkpoint) -> Option<LogId> {
    let applied = checkpoint.applied;
    let pristine = applied.index == 0 && checkpoint.membership.is_empty();
    (!pristine).then(|| log_id(applied.term, applied.index))
}

/// Whether a state at `applied` can be brought up to date by a log that was purged up to `purged`.
pub fn reaches(applied: u64, purged: Option<LogId>) -> bool {
    purged.is_none_or(|purged| applied >= purged.index())
}

/// Whether the log does not reach back to the state any more.
pub fn is_behind(wal: &Wal, applied: Option<LogId>) -> bool {
    let (purged, _) = wal.state();
    purged.is_some_and(|purged| applied.is_none_or(|applied| applied.index() < purged.index()))
}

/// Compares the log's range and its saved committed entry with the state's applied entry.
///
/// The state may be ahead of the log: another member's entries are committed, and applied,
/// before they are durable in this one's log. What the log holds in their place then was never
/// committed, and is dropped.
///
/// # Errors
/// [`StartError::Apart`] when entries are missing that this member had once.
pub fn check(data_dir: &Path, wal: &Wal, checkpoint: &Checkpoint) -> Result<(), StartError> {
    let applied = applied_of(checkpoint);
    let (purged, last) = wal.state();
    let apart = |file: &str, problem: String, remedy: &'static str| {
        Err(StartError::Apart { path: data_dir.join(file), problem, remedy })
    };
    if let (Some(applied), None, None) = (applied, last, wal.vote()) {
        let index = applied.index();
        return apart(
            "wal",
            format!("the log is empty, but the state beside it holds entries up to {index}"),
            RESTORE_LOG,
        );
    }
    if let Some(purged) = purged
        && is_behind(wal, applied)
    {
        let (holds, begins) = (applied.map_or(0, |id| id.index()), purged.index() + 1);
        return apart(
            "state.redb",
            format!(
                "the state holds entries up to {holds}, but the log beside it begins at {begins}"
            ),
            RESTORE_STATE,
        );
    }
    if let Some(committed) = wal.committed()
        && Some(committed) > last.max(applied)
    {
        let (committed, ends) = (committed.index(), last.map_or(0, |id| id.index()));
        return apart(
            "wal",
            format!(
                "the log ends at entry {ends}, but this member knew that entry {committed} was \
                 committed"
            ),
            RESTORE_LOG,
        );
    }
    match applied {
        Some(applied) => adopt(data_dir, wal, applied),
        None => Ok(()),
    }
}

const RESTORE_STATE: &str = "put the newer state.redb back if it was moved away or replaced by \
     an older copy; otherwise this member cannot go on, and the others serve without it";
const RESTORE_LOG: &str = "put the log's folder back if it was moved away or replaced by an older \
     copy; otherwise this member may not vote any more, and the others serve without it";

/// Drops what the log holds in the place of entries that are applied.
fn adopt(data_dir: &Path, wal: &Wal, applied: LogId) -> Result<(), StartError> {
    let index = applied.index();
    let read = wal
        .read(index..index + 1)
        .map_err(|source| StartError::DataDir { path: data_dir.join("wal"), source })?;
    let conflicts = read.first().is_some_and(|entry| entry.log_id() != applied);
    let (_, last) = wal.state();
    if conflicts || last.is_some_and(|last| last.index() < index && last > applied) {
        tracing::info!(%applied, "dropping entries of the log that were never committed");
        wal.truncate_after(None);
        wal.purge(applied);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::LogData;
    use crate::metrics::RaftMetrics;
    use crate::types::{Entry, Vote};
    use crate::wal::{FileDisk, Mode, WalOptions};
    use bytes::Bytes;
    use openraft::EntryPayload;
    use reddwarf_versioning::EntryContext;
    use std::sync::Arc;

    fn wal(dir: &Path, entries: &[(u64, u64)]) -> Wal {
        let options = WalOptions { dir: dir.join("wal"), segment_bytes: 4096, cache_bytes: 1_000 };
        let wal = Wal::open(options, Arc::new(FileDisk), Mode::Inline, RaftMetrics::default());
        let wal = wal.expect("opens");
        for (term, index) in entries {
            let data = EntryPayload::Normal(LogData::from_bytes(Bytes::from_static(b"x")));
            let entry = Entry::new(log_id(*term, *index), data);
            wal.append(vec![entry], Box::new(|_| ())).expect("appends");
        }
        wal
    }

    fn state(term: u64, index: u64) -> Checkpoint {
        let applied = EntryContext { index, term, leader: 0 };
        Checkpoint { applied, membership: Bytes::from_static(b"m"), ..Checkpoint::default() }
    }

    fn problem(dir: &Path, wal: &Wal, state: &Checkpoint) -> String {
        check(dir, wal, state).expect_err("refused").to_string()
    }

    #[test]
    fn a_state_within_the_log_is_accepted() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wal = wal(dir.path(), &[(1, 0), (1, 1), (1, 2)]);
        wal.save_committed(Some(log_id(1, 2)));
        check(dir.path(), &wal, &state(1, 1)).expect("accepted");
        check(dir.path(), &wal, &Checkpoint::default()).expect("accepted");
        assert_eq!(wal.state().1, Some(log_id(1, 2)));
    }

    #[test]
    fn a_state_older_than_the_logs_begin_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wal = wal(dir.path(), &[(1, 0), (1, 1), (1, 2)]);
        wal.purge(log_id(1, 1));
        let said = problem(dir.path(), &wal, &state(1, 0));
        assert!(said.contains("state.redb") && said.contains("begins at 2"), "{said}");
        problem(dir.path(), &wal, &Checkpoint::default());
        check(dir.path(), &wal, &state(1, 1)).expect("accepted");
    }

    #[test]
    fn a_log_without_its_committed_end_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wal = wal(dir.path(), &[(1, 0), (1, 1)]);
        wal.save_committed(Some(log_id(1, 9)));
        let said = problem(dir.path(), &wal, &state(1, 1));
        assert!(said.contains("entry 9"), "{said}");
    }

    #[test]
    fn an_empty_log_beside_a_state_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let said = problem(dir.path(), &wal(dir.path(), &[]), &state(3, 40));
        assert!(said.contains("up to 40"), "{said}");
    }

    #[test]
    fn a_state_ahead_of_the_log_replaces_what_was_never_committed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let wal = wal(dir.path(), &[(1, 0), (1, 1), (1, 2), (1, 3)]);
        wal.save_vote(Vote::new(2, 1), Box::new(|_| ()));
        check(dir.path(), &wal, &state(2, 2)).expect("accepted");
        assert_eq!(wal.state(), (Some(log_id(2, 2)), Some(log_id(2, 2))));
    }
}
