//! What faults need below and around the members: disks and clocks.

use super::{Group, HostError, Hosts};
use crate::clock;
use crate::disk;
use crate::nemesis::Need;
use std::collections::BTreeSet;

/// Why a need cannot be met here; `None` when it can.
pub fn lacking(need: Need, hosts: &dyn Hosts) -> Option<String> {
    match need {
        // They are laid out where a fault needs them.
        Need::Processes | Need::Vacancy | Need::ShortLog => None,
        Need::Network => {
            let none = hosts.network().is_none();
            none.then(|| format!("{} hosts have no links that can be cut", hosts.name()))
        }
        Need::Disk => disk::can_mount().err().map(|error| error.to_string()),
        Need::Room => disk::can_be_small().err().map(|error| error.to_string()),
        Need::Clock => clock::library().err().map(|error| error.to_string()),
    }
}

/// Puts in place what the faults of a run need, before the members start.
///
/// # Errors
/// [`HostError::Disk`], [`HostError::Clock`]
pub fn equip(group: &mut Group, needs: &BTreeSet<Need>, seed: u64) -> Result<(), HostError> {
    if needs.contains(&Need::Disk) {
        disk::lay(group, seed, needs.contains(&Need::Room))?;
    }
    if needs.contains(&Need::Clock) {
        clock::lay(group)?;
    }
    if needs.contains(&Need::ShortLog) {
        group.shorten_logs()?;
    }
    Ok(())
}
