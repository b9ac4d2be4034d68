//! The power fails: what was not synced is lost, or some of it.

use super::disks::{EVIDENCE_TIMEOUT, Victim, victims};
use super::kill::start_again;
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::disk::{Lost, Survivors, tear_log};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::IndexedRandom;
use rustix::process::Signal;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 5] = [Who::One, Who::Leader, Who::Minority, Who::Majority, Who::All];
const DOWN_MS: Range<u64> = 0..4_000;
/// Tries after which members that wrote nothing are no evidence.
const TRIES: u32 = 3;

/// Lets the power of members fail.
#[derive(Debug)]
pub struct LostWrites {
    survivors: &'static [Survivors],
    /// Whether a torn record is left at the log's end too.
    tears: bool,
    down: Vec<Victim>,
}

impl LostWrites {
    /// What was not synced is lost, some of it, or all.
    pub fn new() -> LostWrites {
        LostWrites { survivors: &[Survivors::None, Survivors::Some], tears: false, down: vec![] }
    }

    /// The last writes are torn.
    pub fn torn() -> LostWrites {
        LostWrites { survivors: &[Survivors::Torn], tears: true, down: vec![] }
    }
}

impl Default for LostWrites {
    fn default() -> LostWrites {
        LostWrites::new()
    }
}

#[async_trait]
impl Nemesis for LostWrites {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let members = who.choose(group, rng).await;
        let survivors = *self.survivors.choose(rng).unwrap_or(&Survivors::None);
        let hold = Duration::from_millis(rng.random_range(DOWN_MS));
        self.down = victims(&members)?;
        let mut lost = cut(&self.down, group, survivors).await?;
        let mut tries = 1;
        // A torn record at the log's end is evidence enough.
        while !self.tears && !lost.iter().any(happened) {
            if tries == TRIES {
                return Err(NemesisError::NoEvidence("nothing was unsynced".into()));
            }
            tries += 1;
            start_again(group, names(&members))?;
            group.all_ready(EVIDENCE_TIMEOUT).await?;
            lost = cut(&self.down, group, survivors).await?;
        }
        let mut evidence = Vec::new();
        for (victim, lost) in self.down.iter().zip(lost) {
            let torn = if self.tears { tear(victim, group, rng)? } else { 0 };
            evidence.push(victim.evidence([
                ("lost-bytes", lost.bytes),
                ("survived-bytes", lost.survived_bytes),
                ("lost-names", lost.names),
                ("torn-bytes", torn),
            ]));
        }
        let fault = Fault::new(names(&members), hold, Edn::Vector(evidence));
        let survivors = value::keyword(match survivors {
            Survivors::None => "none",
            Survivors::Torn => "torn",
            Survivors::Some => "some",
        });
        Ok(fault.with("who", who.to_edn()).with("survivors", survivors))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let down = std::mem::take(&mut self.down);
        // Where it was interrupted, syncs wait still.
        down.iter().for_each(|victim| victim.disk.heal());
        start_again(group, down.into_iter().map(|victim| victim.name).collect())
    }
}

/// Whether there was something to lose.
fn happened(lost: &Lost) -> bool {
    lost.any() || lost.survived_bytes > 0
}

/// Lets the power of all of them fail at once.
async fn cut(
    down: &[Victim],
    group: &Group,
    survivors: Survivors,
) -> Result<Vec<Lost>, NemesisError> {
    down.iter().for_each(|victim| victim.disk.fail_power());
    for victim in down {
        // A member that has nothing to write keeps what it has, which is no failure.
        let now = Victim::new(victim.member(group)?)?;
        let _ = tokio::time::timeout(
            Duration::from_millis(300),
            now.until_grown("written bytes", |counters| counters.written_bytes),
        )
        .await;
    }
    for victim in down {
        let member = victim.member(group)?;
        if member.pid().is_some() {
            member.signal(Signal::KILL)?;
        }
        victim.disk.power_off();
    }
    let mut lost = Vec::new();
    for victim in down {
        victim.member(group)?.wait_ended(EVIDENCE_TIMEOUT).await?;
        let crash = victim.disk.crash(survivors);
        lost.push(crash.map_err(NemesisError::failed("take back what was not synced"))?);
    }
    Ok(lost)
}

fn tear(victim: &Victim, group: &Group, rng: &mut Rng) -> Result<u64, NemesisError> {
    let data = &victim.member(group)?.data;
    let torn = tear_log(data, rng).map_err(NemesisError::failed("tear the log's end"))?;
    Ok(torn as u64)
}
