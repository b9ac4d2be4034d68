//! What faults need below and around the members: disks and clocks.

use super::{Group, HostError, Hosts};
use crate::clock;
use crate::disk::{self, FaultyDisk};
use crate::nemesis::Need;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Room on a small disk: enough for a long run's log and state, and quickly filled.
const SMALL_DISK_BYTES: u64 = 1 << 30;

/// Why a need cannot be met here; `None` when it can.
pub fn lacking(need: Need, hosts: &dyn Hosts) -> Option<String> {
    match need {
        Need::Processes => None,
        Need::Network => {
            let none = hosts.network().is_none();
            none.then(|| format!("{} hosts have no links that can be cut", hosts.name()))
        }
        Need::Disk | Need::SmallDisk => disk::can_mount().err().map(|error| error.to_string()),
        Need::Clock => clock::library().err().map(|error| error.to_string()),
    }
}

/// Puts in place what the faults of a run need, before the members start.
///
/// # Errors
/// [`HostError::Disk`], [`HostError::Clock`]
pub fn equip(group: &mut Group, needs: &BTreeSet<Need>, seed: u64) -> Result<(), HostError> {
    let small = needs.contains(&Need::SmallDisk);
    if small || needs.contains(&Need::Disk) {
        for (number, member) in group.members.iter_mut().enumerate() {
            let backing = member.folder.join("disk");
            let seed = seed.wrapping_add(number as u64);
            let disk = if small {
                FaultyDisk::mount_small(&backing, &member.data, SMALL_DISK_BYTES, seed)?
            } else {
                FaultyDisk::mount(&backing, &member.data, seed)?
            };
            member.disk = Some(Arc::new(disk));
        }
    }
    if needs.contains(&Need::Clock) {
        clock::lay(group)?;
    }
    Ok(())
}
