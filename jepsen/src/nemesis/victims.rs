//! Which members a fault is done to.

use super::Rng;
use crate::history::{Edn, value::keyword};
use crate::host::{Group, Member};
use rand::seq::{IndexedRandom, IteratorRandom};

/// How a fault chooses its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Any one.
    One,
    /// The one that leads; any one when none does.
    Leader,
    /// As many as can fail while the group goes on.
    Minority,
    /// So many that the group cannot go on.
    Majority,
    /// Every one.
    All,
}

impl Who {
    /// As a parameter of a fault.
    pub fn to_edn(self) -> Edn {
        keyword(match self {
            Who::One => "one",
            Who::Leader => "leader",
            Who::Minority => "minority",
            Who::Majority => "majority",
            Who::All => "all",
        })
    }

    /// How many of `members` that are.
    pub fn count(self, members: usize) -> usize {
        match self {
            Who::One | Who::Leader => members.min(1),
            Who::Minority => members.saturating_sub(1) / 2,
            Who::Majority => members / 2 + 1,
            Who::All => members,
        }
    }

    /// Draws one of several ways.
    pub fn draw(ways: &[Who], rng: &mut Rng) -> Who {
        ways.choose(rng).copied().unwrap_or(Who::One)
    }

    /// Draws members, in the group's order.
    pub async fn choose<'a>(self, group: &'a Group, rng: &mut Rng) -> Vec<&'a Member> {
        if self == Who::Leader
            && let Some(leader) = group.leader().await
        {
            return vec![leader];
        }
        let members = group.members();
        let count = self.count(members.len());
        let mut drawn = (0..members.len()).choose_multiple(rng, count);
        drawn.sort_unstable();
        drawn.into_iter().map(|at| members[at]).collect()
    }
}

/// Their names.
pub fn names(members: &[&Member]) -> Vec<String> {
    members.iter().map(|member| member.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_and_a_minority_make_a_group() {
        for members in 1..8 {
            assert_eq!(Who::Majority.count(members) + Who::Minority.count(members), members);
        }
        assert_eq!(Who::Majority.count(5), 3);
        assert_eq!(Who::Minority.count(4), 1);
    }
}
