//! What the checks see of a running member.

use crate::group::{Machine, MachineId};
use reddwarf_core::{Revision, View};
use reddwarf_raft::Node;
use reddwarf_raft::inspect::{CastVote, LoggedEntry, Members, Position, Role};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A running member after a step.
pub struct Sight {
    /// Its machine.
    pub machine: MachineId,
    /// Which of the machine's processes it is.
    pub life: u64,
    /// Its Raft id.
    pub id: u64,
    /// Whether it has lost all that it knew, and goes on under its id.
    pub wiped: bool,
    /// Whether its disk has changed what it holds.
    pub rotten: bool,
    /// Its newest vote.
    pub vote: CastVote,
    /// The newest vote that its log holds for good.
    pub durable_vote: Option<CastVote>,
    /// The index of the newest entry that its log holds for good.
    pub durable_log: Option<u64>,
    /// Whether it leads.
    pub leads: bool,
    /// The newest entry that its log does not hold any more.
    pub purged: Option<Position>,
    /// The newest entry of its log.
    pub last: Option<Position>,
    /// The newest entry that it has applied.
    pub applied: Option<u64>,
    /// The newest entry whose effects its file holds.
    pub durable: Option<u64>,
    /// The members as Raft goes by them.
    pub members: Members,
    /// What it knows to be wrong with its state or its file.
    pub trouble: Option<String>,
    /// What it serves.
    pub view: View,
    node: Arc<Node>,
}

impl Sight {
    /// Of the member on a machine, if one runs.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Sight> {
        let node = machine.node()?;
        let inside = node.inspect();
        let log = inside.log();
        let (durable, durable_log) = (inside.durable_state(), inside.durable_log());
        let nothing = durable.applied.index == 0 && durable.membership.is_empty();
        let seat = machine.seat();
        Some(Sight {
            machine: machine.id,
            life: machine.life(),
            id: node.id(),
            wiped: seat.as_ref().is_some_and(|seat| seat.wiped),
            rotten: seat.is_some_and(|seat| seat.rotten),
            vote: inside.vote(),
            durable_vote: durable_log.vote,
            durable_log: durable_log.last,
            leads: inside.role() == Role::Leader,
            purged: log.purged,
            last: log.last,
            applied: inside.applied_at().map(|at| at.index),
            durable: (!nothing).then_some(durable.applied.index),
            members: inside.members(),
            trouble: inside.trouble(),
            view: node.store().view(),
            node,
        })
    }

    /// Who it is, and which of its machine's processes.
    #[must_use]
    pub fn process(&self) -> (u64, u64) {
        (self.id, self.life)
    }

    /// The revision of what it serves.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.view.revision
    }

    /// Entries of its log, as far as it holds them.
    ///
    /// # Errors
    /// When the log cannot be read, although nothing has damaged it.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<LoggedEntry>, String> {
        let machine = self.machine;
        let unread = |error| format!("the log of m{machine} cannot be read: {error}");
        self.node.inspect().entries(range).map_err(unread)
    }

    /// The root of its state, and the entry after which it has it.
    #[must_use]
    pub fn root(&self) -> (u64, [u8; 32]) {
        let applied = self.node.inspect().applied();
        (applied.at.index, applied.root)
    }

    /// The committed members, as of what it has applied.
    ///
    /// # Errors
    /// When what its state says of them makes no sense.
    pub fn committed_members(&self) -> Result<Members, String> {
        self.node.inspect().applied_members()
    }

    /// Whether it takes part in majorities.
    #[must_use]
    pub fn votes(&self) -> bool {
        voters(&self.members).contains(&self.id)
    }
}

/// All voters of a membership.
#[must_use]
pub fn voters(members: &Members) -> BTreeSet<u64> {
    members.voters.iter().flatten().copied().collect()
}
