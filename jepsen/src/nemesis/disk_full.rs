//! No room on disk: writes are refused, and go on once there is room.

use super::disks::{Victim, victims};
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::Edn;
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 4] = [Who::One, Who::Leader, Who::Minority, Who::All];
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
        for victim in &self.full {
            let room = victim.disk.fill().map_err(NemesisError::failed("fill a disk"))?;
            evidence.push(victim.evidence([
                ("free-bytes-before", room.before_bytes),
                ("free-bytes", room.after_bytes),
            ]));
        }
        // One is enough: what a member has reserved may last it for longer than others.
        let met = self.full.iter().map(|victim| {
            Box::pin(victim.until_grown("refused writes", |counters| counters.refused_full))
        });
        futures::future::select_ok(met).await?;
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
