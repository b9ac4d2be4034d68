//! Checks that the history is the one that was written: the chain of commits from its first one or
//! the anchor on, the stored versions, and the sum over the current objects.

use super::{HistoryReader, READ_BYTES_MAX, READ_ROWS_MAX, Reading};
use crate::commit_row::{CommitRow, Squashed};
use crate::{KvError, Table, rows, version_row};
use reddwarf_core::{
    BranchId, Commit, CommitChange, CommitId, HistoryError, Revision, content_hash,
};
use reddwarf_versioning::{LtHash, add_object, add_removal};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 100;

/// What a check of the whole history found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Commits that were read, of all branches.
    pub commits: u64,
    /// Versions of objects that were read.
    pub versions: u64,
    /// Commits whose headers are no longer kept one by one.
    pub squashed: u64,
    /// Versions whose content was taken away.
    pub excised: u64,
    /// Current objects that were summed up.
    pub objects: u64,
    /// The newest commit of main, and its last revision.
    pub head: (CommitId, Revision),
    /// Where the commit stands that was asked for; `None` when it is not in main's chain.
    pub found: Option<Revision>,
    /// What is wrong, the first of it.
    pub problems: Vec<String>,
}

impl Verified {
    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

impl HistoryReader {
    /// Reads everything that is kept, up to what the file held at first, and checks it. Takes
    /// about as long as to read the file.
    ///
    /// # Errors
    /// [`HistoryError::Unreadable`] when the file cannot be read; damage is part of the answer.
    pub fn verify(&self, wanted: Option<CommitId>) -> Result<Verified, HistoryError> {
        let mut verified = Verified::default();
        sum(&self.begin()?, &mut verified)?;
        self.verify_commits(Walk { wanted, verified, ..Walk::default() })
    }

    /// The same without the current objects, which are only counted: whoever has loaded the state
    /// has summed them up.
    ///
    /// # Errors
    /// See [`HistoryReader::verify`].
    pub(crate) fn verify_past(&self) -> Result<Verified, HistoryError> {
        let mut walk = Walk::default();
        let everything = (Bound::Unbounded, Bound::Unbounded);
        self.begin()?.read.scan(Table::Current, everything, &mut |_, _| {
            walk.verified.objects += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        self.verify_commits(walk)
    }

    fn verify_commits(&self, mut walk: Walk) -> Result<Verified, HistoryError> {
        let through = {
            let reading = self.begin()?;
            let anchor = reading.checkpoint.anchor;
            walk.last.extend(anchor.map(|anchor| (BranchId::MAIN, anchor.commit)));
            let head = reading.checkpoint.head;
            walk.verified.head = (head.commit, head.revision);
            for (_, at) in &reading.branches()?.refs {
                walk.heads.insert(at.id, at.head.commit);
            }
            reading.checkpoint.revision
        };
        let mut after = None;
        while walk.page(&self.begin()?, &mut after, through)? {}
        Ok(walk.end())
    }
}

#[derive(Default)]
struct Walk {
    verified: Verified,
    wanted: Option<CommitId>,
    /// The newest commit of each branch so far.
    last: BTreeMap<BranchId, CommitId>,
    /// The heads of the branches, main's apart.
    heads: BTreeMap<BranchId, CommitId>,
    /// Branches that there are no more.
    gone: BTreeSet<BranchId>,
}

impl Walk {
    /// Checks the commits of one transaction; `false` after the last.
    fn page(
        &mut self,
        reading: &Reading,
        after: &mut Option<Vec<u8>>,
        through: Revision,
    ) -> Result<bool, KvError> {
        let mut page = Vec::new();
        let floor = rows::number_key(reading.floor().0);
        let from = Bound::Excluded(after.as_deref().unwrap_or(&floor));
        let to = rows::number_key(through.0);
        let (mut bytes, mut more) = (0, false);
        reading.read.scan(Table::Commits, (from, Bound::Included(&to)), &mut |key, value| {
            page.push((key.to_vec(), reading.row(key, value)));
            bytes += value.len();
            more = page.len() >= READ_ROWS_MAX || bytes >= READ_BYTES_MAX;
            Ok(if more { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        for (key, commit) in page {
            match commit {
                Ok(CommitRow::Commit(commit)) => self.commit(reading, &commit)?,
                Ok(CommitRow::Squashed(run)) => self.squashed(reading, run),
                Err(damaged) => self.verified.problem(damaged.to_string()),
            }
            *after = Some(key);
        }
        Ok(more)
    }

    /// A run whose headers are not kept has to follow what is before it, and to lie below a floor.
    fn squashed(&mut self, reading: &Reading, run: Squashed) {
        self.verified.squashed += run.commits;
        let last = run.last;
        let mut problem = |what: &str| {
            self.verified.problem(format!("the commits up to revision {last} {what}"));
        };
        if last > reading.checkpoint.floors.highest() {
            problem("are squashed, though they have to be kept");
        }
        let before = self.last.get(&BranchId::MAIN);
        // The first run may have begun below the floor of all; then the anchor is within it.
        if run.first > reading.floor() && run.parent.as_ref() != before {
            problem("do not follow the commit before them");
        }
        self.last.insert(BranchId::MAIN, run.id);
    }

    fn commit(&mut self, reading: &Reading, commit: &Commit) -> Result<(), KvError> {
        let header = &commit.header;
        self.verified.commits += 1;
        if self.wanted == Some(commit.id) && header.branch == BranchId::MAIN {
            self.verified.found = Some(header.last);
        }
        let named =
            |what: &str| format!("commit {} at revision {}: {what}", commit.id, header.last);
        let first = header.parents.first();
        let (line, others) = match self.last.get(&header.branch) {
            Some(last) => (first == Some(last), header.parents.get(1..)),
            // The very first commit of all has no parent; a branch begins at one of main's.
            None if header.branch == BranchId::MAIN => (first.is_none(), None),
            None => (true, Some(&header.parents[..])),
        };
        if !line {
            self.verified.problem(named("its parent is not the commit before it"));
        }
        for parent in others.unwrap_or_default() {
            // One that is no longer kept by itself is not found.
            let kept = reading.checkpoint.anchor.is_none() && self.verified.squashed == 0;
            if kept && reading.by_id(parent, parent)?.is_empty() {
                self.verified.problem(named(&format!("its parent {parent} is missing")));
            }
        }
        self.last.insert(header.branch, commit.id);
        // What a removed branch held is forgotten.
        if header.branch != BranchId::MAIN && !self.heads.contains_key(&header.branch) {
            self.gone.insert(header.branch);
        }
        for change in header.changes.iter().filter(|change| !change.deleted) {
            if let Err(what) = self.version(reading, header.branch, change)? {
                self.verified.problem(named(&what));
            }
        }
        Ok(())
    }

    /// Checks the version that a change made; inside, what is wrong with it.
    fn version(
        &mut self,
        reading: &Reading,
        branch: BranchId,
        change: &CommitChange,
    ) -> Result<Result<(), String>, KvError> {
        let key = rows::number_key(change.after.0);
        let object = match version_row::read(reading.read.as_ref(), change.after) {
            Ok(Some(object)) => object,
            Ok(None) if self.gone.contains(&branch) => return Ok(Ok(())),
            Ok(None) if change.after < reading.checkpoint.floors.of_key(&change.key) => {
                return Ok(Ok(()));
            }
            Ok(None) if reading.read.get(Table::Excised, &key)?.is_some() => {
                self.verified.excised += 1;
                return Ok(Ok(()));
            }
            Ok(None) => {
                return Ok(Err(format!("{} at revision {} is missing", change.key, change.after)));
            }
            Err(damaged) => return Ok(Err(damaged.to_string())),
        };
        self.verified.versions += 1;
        let content = content_hash(&object.bytes, object.salt.as_ref());
        let same = content == change.content && object.content == content;
        let ours = object.key == change.key && same;
        Ok(if ours {
            Ok(())
        } else {
            Err(format!("{} at revision {} is not what was written", change.key, change.after))
        })
    }

    fn end(mut self) -> Verified {
        let (head, _) = self.verified.head;
        if self.last.get(&BranchId::MAIN).is_some_and(|last| *last != head) {
            self.verified.problem(format!("the newest commit is not the head {head}"));
        }
        for (branch, head) in std::mem::take(&mut self.heads) {
            if self.last.get(&branch).is_some_and(|last| *last != head) {
                let number = branch.0;
                self.verified
                    .problem(format!("the newest commit of branch {number} is not {head}"));
            }
        }
        if let Some(wanted) = self.wanted.filter(|_| self.verified.found.is_none()) {
            self.verified.problem(format!("commit {wanted} is not in the chain"));
        }
        self.verified
    }
}

/// Sums up the current objects, and compares with what is recorded of them.
fn sum(reading: &Reading, verified: &mut Verified) -> Result<(), KvError> {
    let mut hash = LtHash::new();
    let mut problems = Vec::new();
    reading.read.scan(
        Table::Current,
        (Bound::Unbounded, Bound::Unbounded),
        &mut |row, value| {
            let added = rows::read_current(row, value).and_then(|revision| {
                let (branch, key) = rows::read_current_key(row)?;
                match version_row::read(reading.read.as_ref(), revision)? {
                    Some(object) => add_object(&mut hash, branch, &object),
                    None => add_removal(&mut hash, branch, &key, revision),
                }
                Ok(())
            });
            problems.extend(added.err().map(|damaged| damaged.to_string()));
            verified.objects += 1;
            Ok(ControlFlow::Continue(()))
        },
    )?;
    if problems.is_empty() && hash != reading.checkpoint.objects_hash {
        problems.push("the current objects do not add up to the recorded state root".to_owned());
    }
    problems.into_iter().for_each(|problem| verified.problem(problem));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::step;
    use crate::{Durable, InlinePersister, KvStore, Persist, RedbStore, StoreOptions, WriteBatch};
    use reddwarf_versioning::State;
    use std::sync::Arc;

    fn written() -> (tempfile::TempDir, Arc<RedbStore>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let store = RedbStore::open(path, StoreOptions::new("test")).expect("a new file");
        let store = Arc::new(store);
        let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
        let mut state = State::new();
        (1..=120).for_each(|index| persister.submit(step(&mut state, index)));
        (folder, store)
    }

    #[test]
    fn what_was_written_verifies() {
        let (_folder, store) = written();
        let reader = HistoryReader::new(store);
        let verified = reader.verify(None).expect("reads");
        assert_eq!(verified.problems, Vec::<String>::new());
        assert!(verified.commits > 80 && verified.versions > 100, "{verified:?}");
        let (head, revision) = verified.head;
        assert_eq!(reader.verify(Some(head)).expect("reads").found, Some(revision));
        let other = reader.verify(Some(CommitId([7; 32]))).expect("reads");
        assert_eq!(other.problems.len(), 1, "{:?}", other.problems);
    }

    #[test]
    fn a_version_that_was_exchanged_is_found() {
        let (_folder, store) = written();
        let reader = HistoryReader::new(store.clone());
        let read = |revision: u64| {
            let value =
                store.read().expect("reads").get(Table::Versions, &rows::number_key(revision));
            value.expect("reads")
        };
        let whole = |n: &u64| read(*n).is_some_and(|row| !crate::version_row::is_delta(&row));
        let revision = (1..).find(whole).expect("a version");
        let value = read(revision).expect("there");
        let mut object = rows::read_version(Revision(revision), &value).expect("whole");
        // All checksums are right: somebody rewrote the past with care.
        object.bytes = object.bytes.iter().map(|b| if *b == b'x' { b'y' } else { *b }).collect();
        object.bytes = [&object.bytes[..], b" "].concat().into();
        object.content = content_hash(&object.bytes, object.salt.as_ref());
        let mut batch = WriteBatch::default();
        let value = rows::version_value(&object).expect("encodes");
        batch.put(Table::Versions, rows::number_key(revision), value);
        store.commit(batch).expect("writes");
        let problems = reader.verify(None).expect("reads").problems;
        let found = problems.iter().any(|one| one.contains("is not what was written"));
        assert!(found, "{problems:?}");
    }

    #[test]
    fn a_commit_that_was_taken_out_is_found() {
        let (_folder, store) = written();
        let reader = HistoryReader::new(store.clone());
        let gone = reader.first_of_all(10).expect("a commit");
        let mut batch = WriteBatch::default();
        batch.delete(Table::Commits, rows::number_key(gone.0));
        store.commit(batch).expect("writes");
        let problems = reader.verify(None).expect("reads").problems;
        assert!(problems.iter().any(|one| one.contains("its parent")), "{problems:?}");
    }

    impl HistoryReader {
        /// The end of main's first commit from `revision` on.
        fn first_of_all(&self, revision: u64) -> Option<Revision> {
            let reading = self.begin().ok()?;
            let mut from = Revision(revision);
            loop {
                let commit = reading.first_from(from).ok()??;
                let (branch, last, _) = commit.end();
                if branch == BranchId::MAIN {
                    return Some(last);
                }
                from = last.next();
            }
        }
    }
}
