//! What happens in the run of a seed, decided before it begins.

mod draw;
mod fault;

pub use draw::draw;
pub use fault::{Fault, FaultKind, MachineId};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// The run of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where all of it comes from.
    pub seed: u64,
    /// First members.
    pub members: usize,
    /// Clients that act at a time.
    pub clients: usize,
    /// How long faults happen, in milliseconds.
    pub safety_ms: u64,
    /// Usual delay of a message at most.
    pub delay_ms: u64,
    /// How long a batch of the log usually takes.
    pub log_ms: u64,
    /// How long a transaction of the state usually takes.
    pub state_ms: u64,
    /// Size of the log's segments, in bytes, from which the other bounds of the log follow.
    pub segment_bytes: u64,
    /// First members whose builds support the first feature level only.
    pub old_builds: Vec<MachineId>,
    /// Whether there are clients that write branches and read the past, and that have it forgotten.
    #[serde(default)]
    pub branches: bool,
    /// What happens, in order.
    pub faults: Vec<Fault>,
}

/// Randomness of its own for each part of a run: what one part draws changes nothing for the others.
#[must_use]
pub fn randomness(seed: u64, part: u64) -> StdRng {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03);
    StdRng::seed_from_u64(mixed)
}

impl Plan {
    /// The same with only the faults of these places.
    #[must_use]
    pub fn only(mut self, places: &[usize]) -> Plan {
        let mut place = 0;
        self.faults.retain(|_| {
            place += 1;
            places.contains(&(place - 1))
        });
        self
    }
}
