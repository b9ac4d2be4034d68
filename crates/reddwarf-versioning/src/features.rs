//! The group's feature level, and which builds the members run.
//!
//! Both are absent from the state root, as from files and snapshots, while the group is at the first
//! level: there it has the very bytes of builds that know of neither.

use crate::{EntryContext, State};
use reddwarf_core::codec;
use reddwarf_core::feature::{MEMBER_BUILDS_MAX, VERSION_BYTES_MAX};
use reddwarf_core::{FeatureLevel, Fence, MemberBuild, Rejection};
use std::sync::Arc;

/// Format version of the record of the builds, which is hashed.
const RECORD_VERSION: u8 = 1;

impl State {
    /// Raises the level by one.
    ///
    /// A member whose build does not support the level has to stop after this, which only it can
    /// know: to reject the entry would be to differ from those that do.
    pub(crate) fn raise_level(
        &mut self,
        entry: EntryContext,
        fence: Fence,
        level: FeatureLevel,
    ) -> Result<(), Rejection> {
        self.check_term(entry, fence)?;
        let current = self.view.level;
        if level != current.next() {
            let text = format!("the group is at feature level {current}, {level} is not the next");
            return Err(Rejection::Malformed(text));
        }
        self.view.level = level;
        Ok(())
    }

    /// Takes note of the members' builds.
    pub(crate) fn record_builds(
        &mut self,
        entry: EntryContext,
        fence: Fence,
        builds: Vec<MemberBuild>,
    ) -> Result<(), Rejection> {
        self.check_term(entry, fence)?;
        let malformed = |text: String| Err(Rejection::Malformed(text));
        if self.view.level < FeatureLevel::MEMBER_BUILDS {
            return malformed(needs_level(FeatureLevel::MEMBER_BUILDS, self.view.level));
        }
        if builds.len() > MEMBER_BUILDS_MAX {
            return malformed(format!("{} builds, at most {MEMBER_BUILDS_MAX}", builds.len()));
        }
        if let Some(long) = builds.iter().find(|build| build.version.len() > VERSION_BYTES_MAX) {
            let bytes = long.version.len();
            return malformed(format!("a version of {bytes} bytes, at most {VERSION_BYTES_MAX}"));
        }
        if builds.windows(2).any(|pair| pair[0].node >= pair[1].node) {
            return malformed("the builds are not in the order of the nodes".to_owned());
        }
        self.builds = Arc::new(builds);
        Ok(())
    }

    fn check_term(&self, entry: EntryContext, fence: Fence) -> Result<(), Rejection> {
        match fence.term == entry.term {
            true => Ok(()),
            false => Err(Rejection::Fenced { written: fence.term, current: entry.term }),
        }
    }
}

/// What is said of something that the group cannot do yet.
pub fn needs_level(needed: FeatureLevel, current: FeatureLevel) -> String {
    format!(
        "this needs feature level {needed}, and the group is at {current} until all of its members \
         run a version that supports it; `reddwarf upgrade --check` tells what is missing"
    )
}

/// Adds both to the state root, once the level is above the first.
pub(crate) fn hash_into(state: &State, hasher: &mut blake3::Hasher) {
    if state.view.level == FeatureLevel::FIRST {
        return;
    }
    hasher.update(b"level");
    hasher.update(&state.view.level.0.to_le_bytes());
    if !state.builds.is_empty() {
        let record = codec::encode(RECORD_VERSION, &*state.builds);
        let record = record.expect("invariant: a thousand short builds fit a record");
        hasher.update(b"builds");
        hasher.update(blake3::hash(&record).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, StateBuilder};
    use reddwarf_core::{FeatureLevels, Outcome, Proposal, ProposalKind, RequestId};

    const TERM: u64 = 3;
    const FENCE: Fence = Fence { term: TERM };

    /// Applies one proposal after what was applied.
    fn apply(state: &mut State, kind: ProposalKind) -> Outcome {
        let index = state.applied().index + 1;
        let entry = EntryContext { index, term: TERM, leader: 1 };
        let request_id = RequestId([index as u8; 16]);
        let proposal = Proposal { request_id, made_at: index - 1, kind };
        state.apply(entry, proposal).expect("in order").outcome
    }

    fn raise(level: u32) -> ProposalKind {
        ProposalKind::RaiseLevel { fence: FENCE, level: FeatureLevel(level) }
    }

    fn builds(nodes: &[u64]) -> ProposalKind {
        let build = |node: &u64| MemberBuild {
            node: *node,
            version: "0.1.0".to_owned(),
            levels: FeatureLevels::OF_THIS_BUILD,
        };
        ProposalKind::RecordBuilds { fence: FENCE, builds: nodes.iter().map(build).collect() }
    }

    fn rejection(outcome: Outcome) -> String {
        match outcome {
            Outcome::Rejected(rejection) => rejection.to_string(),
            other => panic!("not rejected: {other:?}"),
        }
    }

    #[test]
    fn the_level_rises_one_by_one_and_never_falls() {
        let mut state = State::new();
        assert_eq!(state.level(), FeatureLevel::FIRST);
        for wrong in [0, 1, 3] {
            let why = rejection(apply(&mut state, raise(wrong)));
            let said = format!("the group is at feature level 1, {wrong} is not the next");
            assert!(why.ends_with(&said), "{why}");
        }
        assert_eq!(apply(&mut state, raise(2)), Outcome::Done);
        assert_eq!(apply(&mut state, raise(3)), Outcome::Done);
        rejection(apply(&mut state, raise(2)));
        assert_eq!(state.level(), FeatureLevel(3));
    }

    #[test]
    fn a_leader_of_another_term_raises_nothing() {
        let mut state = State::new();
        let fence = Fence { term: TERM - 1 };
        let old = ProposalKind::RaiseLevel { fence, level: FeatureLevel(2) };
        rejection(apply(&mut state, old));
        assert_eq!(state.level(), FeatureLevel::FIRST);
    }

    #[test]
    fn builds_are_recorded_from_their_level_on() {
        let mut state = State::new();
        let why = rejection(apply(&mut state, builds(&[1])));
        assert!(why.contains("needs feature level 2, and the group is at 1"), "{why}");
        apply(&mut state, raise(2));
        rejection(apply(&mut state, builds(&[2, 1])));
        rejection(apply(&mut state, builds(&[1, 1])));
        assert_eq!(apply(&mut state, builds(&[1, 2])), Outcome::Done);
        assert_eq!(state.builds().iter().map(|build| build.node).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_root_tells_level_and_builds() {
        let mut state = State::new();
        let mut roots = vec![state.root()];
        let mut step = |kind| {
            apply(&mut state, kind);
            // The entry itself is no part of the root, but its outcome is remembered in it.
            let mut bare = state.checkpoint();
            bare.applied = EntryContext::default();
            bare.root = None;
            let bare = StateBuilder::new(bare).finish().expect("it adds up");
            roots.push(bare.root());
        };
        step(raise(2));
        step(builds(&[1]));
        step(builds(&[1, 2]));
        step(raise(3));
        let different: std::collections::BTreeSet<_> = roots.iter().map(|root| root.0).collect();
        assert_eq!(different.len(), roots.len(), "{roots:?}");
    }

    #[test]
    fn what_is_stored_is_restored() {
        let mut state = State::new();
        apply(&mut state, raise(2));
        apply(&mut state, builds(&[7]));
        // The remembered requests are not stored here.
        let stored = Checkpoint { root: None, ..state.checkpoint() };
        let again = StateBuilder::new(stored).finish().expect("it adds up");
        assert_eq!((again.level(), again.builds()), (FeatureLevel(2), state.builds()));
    }
}
