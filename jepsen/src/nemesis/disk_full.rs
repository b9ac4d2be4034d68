//! No room on disk: writes are refused, and go on once there is room.

use super::disks::{Victim, victims};
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::disk::Room;
use crate::history::Edn;
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

const WAYS: [Who; 4] = [Who::One, Who::Leader, Who::Minority, Who::All];
/// Name of the file that finds no room.
const PROBE: &str = "jepsen-probe";
const TRIES: u32 = 5;
const HOLD_MS: Range<u64> = 2_000..8_000;

/// Fills the disks of members.
#[derive(Debug, Default)]
pub struct DiskFull {
    full: Vec<Victim>,
}

#[async_trait]
impl Nemesis for DiskFull {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        self.full = victims(&members)?;
        let mut evidence = Vec::new();
        for victim in &mut self.full {
            let room = fill(victim, &victim.member(group)?.data)?;
            // The file that found no room is none of the member's.
            victim.count_anew();
            evidence.push(victim.evidence([
                ("free-bytes-before", room.before_bytes),
                ("free-bytes", room.after_bytes),
            ]));
        }
        // What members have reserved may last them for longer than anyone wants to wait.
        let met = self.full.iter().map(|victim| {
            Box::pin(victim.until_grown("refused writes", |counters| counters.refused_full))
        });
        let _ = futures::future::select_ok(met).await;
        Ok(Fault::new(names(&members), hold, Edn::Vector(evidence)).with("who", who.to_edn()))
    }

    async fn end(&mut self, _: &Group) -> Result<Edn, NemesisError> {
        let mut evidence = Vec::new();
        let mut failed = None;
        for victim in std::mem::take(&mut self.full) {
            let refused = victim.grown(|counters| counters.refused_full);
            match victim.disk.free() {
                Ok(room) => evidence.push(
                    victim.evidence([("refused", refused), ("free-bytes", room.after_bytes)]),
                ),
                // The others get their room all the same.
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(Edn::Vector(evidence)),
            Some(error) => Err(NemesisError::failed("make room on a disk")(error)),
        }
    }
}

/// Fills a disk until a new file finds no room in the member's data folder.
fn fill(victim: &Victim, data: &Path) -> Result<Room, NemesisError> {
    for _ in 0..TRIES {
        // What the member has just removed may give room once more.
        let room = victim.disk.fill().map_err(NemesisError::failed("fill a disk"))?;
        if refuses(&data.join(PROBE))? {
            return Ok(room);
        }
    }
    Err(NemesisError::NoEvidence(format!("{} has room again and again", victim.name)))
}

/// Whether a new file finds no room.
fn refuses(path: &Path) -> Result<bool, NemesisError> {
    let written = std::fs::write(path, [1; 4096]);
    // It may not even be there.
    let _ = std::fs::remove_file(path);
    match written {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(true),
        Err(error) => Err(NemesisError::failed("see whether a disk is full")(error)),
    }
}
