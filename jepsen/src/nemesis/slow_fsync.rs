//! Syncs take long: a disk that is busy, or about to fail.

use super::disks::{Victim, victims};
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::disk::SyncDelay;
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 4] = [Who::One, Who::Leader, Who::Minority, Who::All];
/// Milliseconds: from a busy disk to one that nobody would wait for.
const DELAY_MS: Range<u64> = 20..1_000;
const HOLD_MS: Range<u64> = 2_000..8_000;

/// Delays the syncs of members.
#[derive(Debug, Default)]
pub struct SlowFsync {
    slow: Vec<Victim>,
}

#[async_trait]
impl Nemesis for SlowFsync {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let fixed_ms = rng.random_range(DELAY_MS);
        let delay = SyncDelay {
            fixed: Duration::from_millis(fixed_ms),
            jitter: Duration::from_millis(fixed_ms / 2),
        };
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        self.slow = victims(&members)?;
        self.slow.iter().for_each(|victim| victim.disk.delay_syncs(delay));
        for victim in &self.slow {
            victim.until_grown("delayed syncs", |counters| counters.syncs_delayed).await?;
        }
        let fault = Fault::new(names(&members), hold, delayed(&self.slow));
        Ok(fault.with("who", who.to_edn()).with("delay-ms", value::number(fixed_ms)))
    }

    async fn end(&mut self, _: &Group) -> Result<Edn, NemesisError> {
        let slow = std::mem::take(&mut self.slow);
        slow.iter().for_each(|victim| victim.disk.heal());
        Ok(delayed(&slow))
    }
}

fn delayed(slow: &[Victim]) -> Edn {
    let one = |victim: &Victim| {
        let syncs = victim.grown(|counters| counters.syncs_delayed);
        let us = victim.grown(|counters| counters.delay_us);
        victim.evidence([("syncs-delayed", syncs), ("delay-us", us)])
    };
    Edn::Vector(slow.iter().map(one).collect())
}
