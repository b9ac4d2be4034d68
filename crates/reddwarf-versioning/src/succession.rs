//! How the state of a group that is gone becomes that of a new one.

use crate::{EntryContext, State};
use bytes::Bytes;
use reddwarf_core::{Lost, Revision};
use std::sync::Arc;

/// Why a state is not gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counting on by {margin} from revision {revision} leaves no revisions")]
pub struct NoRevisions {
    /// The newest revision.
    pub revision: Revision,
    /// By how much was to be skipped.
    pub margin: u64,
}

impl State {
    /// Makes this the state with which a new group begins: of other members, and counting revisions
    /// on from `margin` further up, beyond all that clients of the old group may have seen
    /// (invariant 6). It is an entry of its own, one after the last of the old group and of the next
    /// term. Objects, branches and the chain of commits stay as they are.
    ///
    /// # Errors
    /// [`NoRevisions`].
    pub fn succeed(&mut self, membership: Bytes, margin: u64) -> Result<Lost, NoRevisions> {
        let after = self.view.revision;
        // Half of all numbers are left for what comes after it.
        let through = after.0.checked_add(margin).filter(|through| *through <= u64::MAX / 2);
        let through = Revision(through.ok_or(NoRevisions { revision: after, margin })?);
        let EntryContext { index, term, leader } = self.applied;
        self.applied = EntryContext { index: index + 1, term: term + 1, leader };
        self.requests.forget(self.applied.index);
        self.membership = membership;
        let lost = Lost { after, through };
        let mut all = (*self.view.lost).clone();
        all.push(lost);
        self.view.lost = Arc::new(all);
        self.view.revision = through;
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateBuilder;

    #[test]
    fn revisions_go_on_beyond_what_was_told() {
        let mut state = State::new();
        state.view.revision = Revision(40);
        state.applied = EntryContext { index: 7, term: 3, leader: 1 };
        let before = state.root();
        let lost = state.succeed(Bytes::from_static(b"one"), 1_000).expect("there is room");
        assert_eq!(lost, Lost { after: Revision(40), through: Revision(1_040) });
        assert_eq!((state.applied().index, state.applied().term), (8, 4));
        let view = state.view();
        assert_eq!((view.revision, view.counted_from()), (Revision(1_040), Revision(1_040)));
        let lost: Vec<u64> =
            [40, 41, 1_039, 1_040].into_iter().filter(|at| view.is_lost(Revision(*at))).collect();
        assert_eq!(lost, [41, 1_039]);
        assert_ne!(state.root(), before);
        let again = StateBuilder::new(state.checkpoint()).finish().expect("it adds up");
        assert_eq!(again.root(), state.root());
    }

    #[test]
    fn the_same_succession_has_the_same_root_on_every_member() {
        let made = || {
            let mut state = State::new();
            state.succeed(Bytes::from_static(b"three"), 5).expect("there is room");
            state.root()
        };
        assert_eq!(made(), made());
    }

    #[test]
    fn revisions_do_not_run_out() {
        let mut state = State::new();
        state.view.revision = Revision(2);
        let refused = state.succeed(Bytes::new(), u64::MAX).expect_err("too far");
        assert_eq!(refused.revision, Revision(2));
        assert_eq!(state.revision(), Revision(2));
    }
}
