//! What can go wrong, and what operators do meanwhile.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A machine by its number, from 0.
pub type MachineId = usize;

/// One thing that happens to the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Nothing passes between the machines of one side and the others.
    Split {
        /// The one side.
        side: Vec<MachineId>,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// Nothing passes from one machine to another; the way back is open.
    OneWay {
        /// From where.
        from: MachineId,
        /// To where.
        to: MachineId,
        /// For how long.
        for_ms: u64,
    },
    /// Messages between two machines take up to so long, and overtake those of other connections.
    SlowLine {
        /// One end.
        a: MachineId,
        /// The other.
        b: MachineId,
        /// The longest delay, in milliseconds.
        delay_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// The connections between two machines break, with what was under way in them.
    Reset {
        /// One end.
        a: MachineId,
        /// The other.
        b: MachineId,
    },
    /// The process ends as by `kill -9`: what it has written stays written.
    Kill {
        /// Which.
        machine: MachineId,
        /// How long it is away.
        down_ms: u64,
    },
    /// The process is told to stop, and does so in order.
    Stop {
        /// Which.
        machine: MachineId,
        /// How long it is away.
        down_ms: u64,
    },
    /// The machines lose power together: of what was not synced, only some is there afterwards.
    PowerLoss {
        /// Which.
        machines: Vec<MachineId>,
        /// How long they are away.
        down_ms: u64,
    },
    /// The machine loses power at its n-th disk operation from now on, in the middle of whatever it does.
    PowerLossAt {
        /// Which.
        machine: MachineId,
        /// Counted from 1.
        operation: u64,
        /// How long it is away.
        down_ms: u64,
    },
    /// The process gets no turn, as in a virtual machine that is suspended: its monotonic clock stands.
    Pause {
        /// Which.
        machine: MachineId,
        /// For how long.
        for_ms: u64,
    },
    /// The same for whoever leads.
    PauseLeader {
        /// For how long.
        for_ms: u64,
    },
    /// The next sync of the disk fails, and what it was to sync is lost.
    SyncError {
        /// Whose.
        machine: MachineId,
    },
    /// The disk has no room.
    FullDisk {
        /// Whose.
        machine: MachineId,
        /// For how long.
        for_ms: u64,
    },
    /// The disk takes long.
    SlowDisk {
        /// Whose.
        machine: MachineId,
        /// For a batch of the log.
        log_ms: u64,
        /// For a transaction of the state.
        state_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// The wall clock jumps.
    ClockJump {
        /// Whose.
        machine: MachineId,
        /// By so much.
        by_ms: i64,
    },
    /// Another member is to lead.
    Transfer,
    /// A new machine joins the group.
    Join,
    /// A member is let go for good.
    Remove {
        /// Which.
        machine: MachineId,
    },
    /// A machine loses its disk, comes up as it was configured, and is then joined under its name.
    Wipe {
        /// Which.
        machine: MachineId,
        /// How long it is away.
        down_ms: u64,
        /// How long it then runs until the operator joins it.
        lost_ms: u64,
    },
    /// The disk changes pages of the state's file by itself.
    RottenState {
        /// Whose.
        machine: MachineId,
        /// How many.
        pages: u32,
        /// How long the process is away meanwhile; it is not when nothing is said.
        down_ms: Option<u64>,
    },
    /// The process is killed, and the disk changes a byte of the log that was synced. The operator then
    /// joins the machine anew.
    RottenLog {
        /// Whose.
        machine: MachineId,
        /// How long it is away.
        down_ms: u64,
        /// How long the operator takes then.
        lost_ms: u64,
    },
    /// The build is exchanged for one that supports the next feature level.
    Upgrade {
        /// Which.
        machine: MachineId,
        /// How long it is away.
        down_ms: u64,
    },
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Milliseconds from the beginning.
    pub at_ms: u64,
    /// What.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:>6} ms {:?}", self.at_ms, self.kind)
    }
}
