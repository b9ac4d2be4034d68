//! The past of the replicated state, as one member reads it.

use crate::{
    BranchId, Collection, Commit, CommitId, CommitPrefix, CommitRef, ObjectKey, Revision,
    StoredObject, View,
};
use async_trait::async_trait;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Most commits that one page holds.
pub const COMMITS_PAGE_MAX: usize = 500;
/// Most entries that one answer of [`History::object_log`] holds.
pub const OBJECT_LOG_MAX: usize = 1_000;
/// Most keys that [`History::changed_between`] answers with.
pub const CHANGED_KEYS_MAX: usize = 1_000_000;
/// Most candidates that are told of an ambiguous prefix.
pub const CANDIDATES_MAX: usize = 16;

/// Reads of commits and of objects as they were.
///
/// An answer includes everything that this member had applied when it was asked; whoever needs
/// every acknowledged write calls [`crate::Store::read_barrier`] first. What an answer takes from
/// below the newest revision never changes, so that answers may be kept.
///
/// A revision within the range of one of the branch's commits stands for that commit's end, as it
/// does in lists (invariant 4); any other, which a commit of another branch took, for the state
/// that the branch had then. Operations with a [`BranchId`] tell what that branch's own commits
/// did; what a branch shows of main below its base is main's to tell.
///
/// Implemented by the replicated store over its durable file and, for tests, by the one in
/// memory; the same conformance suite runs over both. Reads block no writer and are safe to drop.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// The oldest revision whose state can be read: the end of the newest commit that retention
    /// has removed, zero (the empty state) while everything is kept.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`], [`HistoryError::Unreadable`]; so may every other operation.
    async fn floor(&self) -> Result<Revision, HistoryError>;

    /// The commit that `commit` names, `None` when there is none of that id. By index.
    ///
    /// A revision names the first commit, of whatever branch, whose last revision is not below it;
    /// zero names none.
    ///
    /// # Errors
    /// [`HistoryError::Ambiguous`] for a prefix of several ids, [`HistoryError::Gone`] and
    /// [`HistoryError::Future`] for a revision.
    async fn commit(&self, commit: &CommitRef) -> Result<Option<Commit>, HistoryError>;

    /// Commits of `branch` whose last revision lies in `(after, through]`, newest first, at most
    /// `limit` and [`COMMITS_PAGE_MAX`] of them.
    ///
    /// `through` may lie ahead ([`Revision::MAX`] for all); below the floor there is nothing more,
    /// which is no error.
    ///
    /// # Errors
    /// [`HistoryError::NoBranch`].
    async fn commits(
        &self,
        branch: BranchId,
        after: Revision,
        through: Revision,
        limit: usize,
    ) -> Result<CommitPage, HistoryError>;

    /// The end of main's last commit whose time is `time_ms` (since the Unix epoch) or earlier;
    /// zero in a store without commits. By binary search: commit times never decrease.
    ///
    /// A time ahead of the newest commit's answers that commit, as nothing has changed since.
    ///
    /// # Errors
    /// [`HistoryError::BeforeFirst`] when `time_ms` lies before the first commit that is kept.
    async fn resolve_time(&self, time_ms: u64) -> Result<Revision, HistoryError>;

    /// Changes of one object with revisions below `before` (below any when it is `None`), newest
    /// first, at most `limit` and [`OBJECT_LOG_MAX`] of them. By index.
    ///
    /// Below the floor there is nothing more, which is no error.
    ///
    /// # Errors
    /// [`HistoryError::NoBranch`].
    async fn object_log(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<ObjectLogEntry>, HistoryError>;

    /// The object's version that took exactly `revision`; `None` when a deletion took it.
    ///
    /// # Errors
    /// [`HistoryError::Gone`] below the floor, unless the version is still current there;
    /// [`HistoryError::Future`], [`HistoryError::Excised`].
    async fn version(&self, revision: Revision) -> Result<Option<Arc<StoredObject>>, HistoryError>;

    /// The object at `key` as of `revision`, `None` when it did not exist then. By index.
    ///
    /// # Errors
    /// [`HistoryError::NoBranch`], [`HistoryError::Gone`], [`HistoryError::Future`].
    async fn object_at(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<Arc<StoredObject>>, HistoryError>;

    /// The objects of `collection`, only those in `namespace` when it is given, as of `revision`:
    /// a view that holds just them, whose revision is the one asked for, rounded up to its
    /// commit's end, and whose clock is the present one. In time proportional to the keys that the
    /// collection ever had, whatever the number of their versions.
    ///
    /// # Errors
    /// [`HistoryError::NoBranch`], [`HistoryError::Gone`], [`HistoryError::Future`].
    async fn collection_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        revision: Revision,
    ) -> Result<View, HistoryError>;

    /// All objects of main as of `revision`: a view whose revision is the one asked for, rounded up
    /// to its commit's end, whose clock is the present one, and which has no branches. In time
    /// proportional to the changes since; what did not change is shared with the present view.
    ///
    /// # Errors
    /// [`HistoryError::Gone`], [`HistoryError::Future`], and [`HistoryError::TooMany`] beyond
    /// [`CHANGED_KEYS_MAX`] changed keys.
    async fn state_at(&self, revision: Revision) -> Result<View, HistoryError>;

    /// The objects that differ between the states at `from` and `to`, sorted by key, in time
    /// proportional to the changes between them. `from` may be the later one.
    ///
    /// An object that came and went in between is not among them; one that was changed and changed
    /// back is.
    ///
    /// # Errors
    /// [`HistoryError::NoBranch`], [`HistoryError::Gone`], [`HistoryError::Future`], and
    /// [`HistoryError::TooMany`] beyond [`CHANGED_KEYS_MAX`] keys.
    async fn changed_between(
        &self,
        branch: BranchId,
        from: Revision,
        to: Revision,
    ) -> Result<Vec<ChangedObject>, HistoryError>;

    /// The revision up to which superseded versions of main's objects whose keys begin with `scope`
    /// would have to go so that at most so many, and so many bytes of them, are kept; zero when there
    /// are no more. In time proportional to the commits that are kept.
    ///
    /// # Errors
    /// Those that every operation may have.
    async fn room(
        &self,
        _scope: &str,
        _versions_max: Option<u64>,
        _bytes_max: Option<u64>,
    ) -> Result<Revision, HistoryError> {
        Err(HistoryError::Unavailable("this state forgets nothing".to_owned()))
    }
}

/// Some commits, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitPage {
    /// The commits; perhaps fewer than asked for although more follow, since a page is bounded in
    /// bytes as well.
    pub commits: Vec<Commit>,
    /// `through` of the next page; `None` when nothing follows.
    pub next: Option<Revision>,
}

/// One change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLogEntry {
    /// The revision that the change took; [`History::commit`] tells by whom.
    pub revision: Revision,
    /// Whether it removed the object.
    pub deleted: bool,
}

/// An object that differs between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedObject {
    /// The object.
    pub key: ObjectKey,
    /// Its revision in the first state, `None` when it does not exist there.
    pub before: Option<Revision>,
    /// Its revision in the second state, `None` when it does not exist there.
    pub after: Option<Revision>,
}

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The revision lies below the floor.
    #[error("revision {asked} is no longer kept: history begins at revision {floor}")]
    Gone {
        /// The revision asked for.
        asked: Revision,
        /// See [`History::floor`].
        floor: Revision,
    },
    /// The time lies before the first commit that is kept.
    #[error(
        "history does not reach back to {}: it begins at revision {first}, {}",
        Moment(*.asked_ms), Moment(*.first_ms)
    )]
    BeforeFirst {
        /// The time asked for, milliseconds since the Unix epoch.
        asked_ms: u64,
        /// The end of the first commit that is kept.
        first: Revision,
        /// That commit's time.
        first_ms: u64,
    },
    /// The content of the version that took a revision was taken away for good.
    #[error("the version at revision {0} was excised")]
    Excised(Revision),
    /// The revision lies ahead of this member.
    #[error("revision {asked} is ahead of {current}")]
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The newest revision here.
        current: Revision,
    },
    /// Several commits' ids begin like this.
    #[error("commit {prefix} is ambiguous: {}", Listed(candidates))]
    Ambiguous {
        /// The prefix.
        prefix: CommitPrefix,
        /// Ids that begin with it, in their order, at most [`CANDIDATES_MAX`].
        candidates: Vec<CommitId>,
    },
    /// There is no such branch.
    #[error("no branch {}", .0.0)]
    NoBranch(BranchId),
    /// The answer would be larger than one answer may be.
    #[error("more than {limit} objects changed: ask for a shorter range")]
    TooMany {
        /// The named limit.
        limit: usize,
    },
    /// This member has applied `applied` but has not written it down within the time allowed.
    #[error("history is written up to revision {durable} only, {applied} was asked for: {reason}")]
    Behind {
        /// The revision that the answer has to include.
        applied: Revision,
        /// The newest one that is written.
        durable: Revision,
        /// What it waits for.
        reason: String,
    },
    /// This member serves no history now.
    #[error("history is not available: {0}")]
    Unavailable(String),
    /// The durable state cannot be read, or is damaged.
    #[error("reading history")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
}

/// A time for people, in UTC.
struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().map(jiff::Timestamp::from_millisecond);
        match time {
            Some(Ok(time)) => time.fmt(f),
            _ => write!(f, "{} ms after 1970", self.0),
        }
    }
}

struct Listed<'a>(&'a [CommitId]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for id in self.0 {
            write!(f, "{separator}{id}")?;
            separator = ", ";
        }
        if self.0.len() == CANDIDATES_MAX { f.write_str(", …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_well() {
        let before = HistoryError::BeforeFirst { asked_ms: 0, first: Revision(3), first_ms: 1_500 };
        assert_eq!(
            before.to_string(),
            "history does not reach back to 1970-01-01T00:00:00Z: it begins at revision 3, \
             1970-01-01T00:00:01.5Z"
        );
        let prefix: CommitPrefix = "abcd".parse().expect("a prefix");
        let candidates = vec![CommitId([0xab; 32]), CommitId([0xcd; 32])];
        let text = HistoryError::Ambiguous { prefix, candidates }.to_string();
        assert!(text.starts_with("commit abcd is ambiguous: ababab"), "{text}");
        assert!(text.contains("ab, cdcd"), "{text}");
        assert_eq!(HistoryError::NoBranch(BranchId(7)).to_string(), "no branch 7");
    }
}
