//! What the checks see of a running member.

use crate::group::{Machine, MachineId};
use reddwarf_core::{Revision, View};
use reddwarf_raft::{Inspection, Node};
use std::sync::Arc;

/// A running member after a step.
pub struct Sight {
    /// Its machine.
    pub machine: MachineId,
    /// Which of the machine's processes it is.
    pub life: u64,
    /// What it tells of itself.
    pub inside: Inspection,
    /// What it serves.
    pub view: View,
    /// The member, to look at its log.
    pub node: Arc<Node>,
}

impl Sight {
    /// Of the member on a machine, if one runs.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Sight> {
        let node = machine.node()?;
        let view = node.store().view();
        Some(Sight { machine: machine.id, life: machine.life(), inside: node.inspect(), view, node })
    }

    /// Index of the newest applied entry, `None` before the first.
    pub fn applied(&self) -> Option<u64> {
        (!self.inside.pristine).then_some(self.inside.applied.index)
    }

    /// The revision of what it serves.
    pub fn revision(&self) -> Revision {
        self.view.revision
    }
}
